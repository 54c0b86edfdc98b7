"""Images in memory, split for training, validation and test: what the data modules share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from dnnx.basics.at_work import Check
from dnnx.basics.errors import check_arguments, require
from dnnx.basics.seeding import generator
from dnnx.data.augment import Augmentation, Augmented
from dnnx.data.checks import DATA_CHECKS
from dnnx.data.loaders import Chunks, EvalBatches, TrainBatches
from dnnx.data.sources import Source, load

EVAL_BATCH = 1024  # images per forward pass of an evaluation; no result depends on it
CHUNK = 64  # images that are float64 at a time, which a processor's cache holds
Images = tuple[Tensor, Tensor]  # float32 [N, features], int64 [N]


class ImageData(pl.LightningDataModule):
    """Those classes of a source that `labels` lists, numbered from 0; validation is the first training images.

    Pixels are in [0, 1], or with `standardize` of mean 0 and standard deviation 1 over the training images. Of these,
    once scaled, each seed draws its own `train_size` to learn from, where that is given; fewer are among the more.
    `splits` maps train, val and test to images and labels; where each seed has its own part of a split, `rows`
    maps it to their places, [R, n]. `features` stand in for images when a module computed them once. `test_images`
    are the pixels of the test split as they were, uint8 [N, channels, H, W].
    """

    labels = range(10)
    sources: tuple[str, ...] = ("auto", "mnist", "digits")
    checks: tuple[Check, ...] = DATA_CHECKS
    items, multiple = "images", 1  # what batches are of, and of how many a batch is a multiple

    def __init__(
        self,
        seeds: Sequence[int],
        root: str,
        source: str = "auto",
        batch_size: int = 32,
        standardize: bool = False,
        train_size: int | None = None,
        augment: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        check_arguments("data.augment", Augmentation, augment or {})
        self.augmentation = Augmentation(**augment or {})
        self.seeds, self.root, self.source, self.batch_size = seeds, Path(root), source, batch_size
        self.standardize, self.train_size = standardize, train_size
        self.splits: dict[str, Images] = {}
        self.rows: dict[str, Tensor] = {}
        self.features: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        self.scaling: tuple[Tensor, Tensor] | None = None

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        source = load(self.source, self.root, self.sources)
        self.in_shape = source.train_images.shape[1:]
        self.num_classes = len(self.labels)
        self.class_names = [source.class_names[label] for label in self.labels]
        self.provenance = {name: getattr(source, name) for name in ("source", "note", "warning", "files")}
        self.splits = {**self._training_splits(source), "test": self._choose(source.test_images, source.test_labels)}
        self.test_images = torch.from_numpy(source.test_images[np.isin(source.test_labels, self.labels)])
        complete = all(len(y.unique()) == self.num_classes for _, y in self.splits.values())
        names = ", ".join(self.class_names)
        require(complete, "data.source", self.source, f"train, val and test must each hold all of the classes {names}")
        if self.train_size is not None:
            self.rows["train"] = draw(len(self.splits["train"][1]), self.train_size, self.seeds)
        require(isinstance(self.standardize, bool), "data.standardize", self.standardize, "true or false")
        if self.standardize:
            self.scaling = standardize({name: x for name, (x, _) in self.splits.items()})

    def check_batch_size(self, least: int) -> None:
        """UserError unless the training images make batches of at least `least`; 2 is what batch norm needs."""
        n, size = self.sizes["train"], self.batch_size
        least = max(least, self.multiple)
        valid = type(size) is int and least <= size <= n and size % self.multiple == 0
        whole = "a whole number" if self.multiple == 1 else f"a multiple of {self.multiple}"
        require(valid, "data.batch_size", size, f"{whole} from {least} to the {n} training {self.items}")

    def _training_splits(self, source: Source) -> dict[str, Images]:
        images, labels, n = source.train_images, source.train_labels, source.num_val
        return {"train": self._choose(images[n:], labels[n:]), "val": self._choose(images[:n], labels[:n])}

    def _choose(self, images: np.ndarray, labels: np.ndarray) -> Images:
        chosen = np.isin(labels, self.labels)
        x = torch.from_numpy(images[chosen]).flatten(1).to(torch.float32).div_(255)
        return x, torch.from_numpy(labels[chosen]).long() - self.labels.start

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example as the net gets it."""
        return (self.splits["test"][0].shape[1],)

    @property
    def sizes(self) -> dict[str, int]:
        """Images of each split, for one seed."""
        return {name: self.rows[name].shape[1] if name in self.rows else len(y) for name, (_, y) in self.splits.items()}

    def to(self, device: torch.device) -> None:
        """Moves every split to `device`, once; batches are then gathered there."""
        self.splits = {name: (x.to(device), y.to(device)) for name, (x, y) in self.splits.items()}
        self.rows = {name: rows.to(device) for name, rows in self.rows.items()}

    def train_dataloader(self) -> Chunks:
        trainer = self.trainer
        assert trainer is not None, "the trainer knows the epoch"
        x, y, rows = self.features.get("train") or (*self.splits["train"], self.rows.get("train"))
        batches = TrainBatches(x, y, self.batch_size, self.seeds, lambda: trainer.current_epoch, rows)
        return Chunks(
            Augmented(batches, self.augmentation, self.in_shape, self.scaling) if self.augmentation else batches
        )

    def val_dataloader(self) -> Any:
        if "val" in self.features:
            x, y, rows = self.features["val"]
            return EvalBatches(x, y, EVAL_BATCH, rows)
        return self.eval_dataloader("val")

    def eval_dataloader(self, split: str) -> Any:
        return EvalBatches(*self.splits[split], EVAL_BATCH, self.rows.get(split))

    def test_pictures(self, index: Tensor) -> Tensor:
        """Pixels of the test set as they were, [K, H, W, channels] uint8."""
        return self.test_images[index.cpu()].permute(0, 2, 3, 1)


def draw(available: int, n: int, seeds: Sequence[int]) -> Tensor:
    """Each seed's own `n` of the available training images, [R, n]; UserError unless there are so many."""
    valid = type(n) is int and 1 <= n <= available
    require(valid, "data.train_size", n, f"null for all {available} training images, or so many of them")
    return torch.stack([torch.randperm(available, generator=generator(seed, "draw"))[:n] for seed in seeds])


def standardize(splits: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Shifts and scales each feature of every split [N, features], in place, by its mean and standard deviation
    over the training images, which it returns; a feature that is constant there is only shifted."""
    train = splits["train"]
    mean = sum(x.double().sum(0) for x in train.split(CHUNK)) / len(train)
    variance = sum((x - mean).square_().sum(0) for x in train.split(CHUNK)) / len(train)
    scaling = mean.float(), torch.where(variance > 0, variance.sqrt(), 1).float()
    for x in splits.values():
        x.sub_(scaling[0]).div_(scaling[1])
    return scaling
