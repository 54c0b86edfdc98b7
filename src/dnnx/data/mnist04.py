"""The digits 0-4: the first five classes of a source of digits, validation being the first training images."""

from collections.abc import Sequence
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from dnnx.data.loaders import EvalBatches, TrainBatches
from dnnx.data.sources import load
from dnnx.errors import require

NUM_CLASSES = 5
EVAL_BATCH = 1024  # images per forward pass of an evaluation; no result depends on it


class MNIST04(pl.LightningDataModule):
    """From MNIST 28,038 training, 2,558 validation and 5,139 test images.

    `splits` maps train, val and test to (images float32 [N, pixels] in [0, 1], labels int64 [N]).
    """

    def __init__(self, seeds: Sequence[int], root: str, source: str = "auto", batch_size: int = 32):
        super().__init__()
        self.seeds, self.root, self.source, self.batch_size = seeds, Path(root), source, batch_size
        self.splits: dict[str, tuple[Tensor, Tensor]] = {}

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        source = load(self.source, self.root)
        images, labels, num_val = source.train_images, source.train_labels, source.num_val
        self.splits = {
            "train": _first_classes(images[num_val:], labels[num_val:]),
            "val": _first_classes(images[:num_val], labels[:num_val]),
            "test": _first_classes(source.test_images, source.test_labels),
        }
        self.in_shape = images.shape[1:]
        self.num_classes = NUM_CLASSES
        self.class_names = source.class_names[:NUM_CLASSES]
        self.provenance = {name: getattr(source, name) for name in ("source", "note", "warning", "files")}
        complete = all(len(y.unique()) == NUM_CLASSES for _, y in self.splits.values())
        require(complete, "data.source", self.source, "train, val and test must each hold all of the digits 0 to 4")
        n = len(self.splits["train"][0])
        require(
            isinstance(self.batch_size, int) and 1 <= self.batch_size <= n, "data.batch_size", self.batch_size,
            f"a whole number from 1 to the {n} training images, for example data.batch_size=32",
        )  # fmt: skip

    def to(self, device: torch.device) -> None:
        """Moves every split to `device`, once; batches are then gathered there."""
        self.splits = {name: (x.to(device), y.to(device)) for name, (x, y) in self.splits.items()}

    def train_dataloader(self) -> TrainBatches:
        trainer = self.trainer
        assert trainer is not None, "the trainer knows the epoch"
        return TrainBatches(*self.splits["train"], self.batch_size, self.seeds, lambda: trainer.current_epoch)

    def eval_dataloader(self, split: str) -> EvalBatches:
        return EvalBatches(*self.splits[split], EVAL_BATCH)

    def val_dataloader(self) -> EvalBatches:
        return self.eval_dataloader("val")


def _first_classes(images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    chosen = labels < NUM_CLASSES
    x = torch.from_numpy(images[chosen]).flatten(1).to(torch.float32).div_(255)
    return x, torch.from_numpy(labels[chosen]).long()
