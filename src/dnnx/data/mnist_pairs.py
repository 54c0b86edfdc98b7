"""Pairs of images, labelled by whether their classes differ, from images outside split #2 and the test set."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from dnnx.basics.errors import require
from dnnx.basics.seeding import generator
from dnnx.data.arrays import EVAL_BATCH, Arrays
from dnnx.data.digits import Digits
from dnnx.data.loaders import Chunks
from dnnx.data.pair_sampler import PairBatches, PairSampler

MAX_PAIRS = 10_000_000  # per epoch; their rows are in memory


@dataclass(eq=False, repr=False, kw_only=True)
class MNISTPairs(Digits):
    """Pairs with label 0 for one class, 1 for two classes. `splits` hold images and digits, `pairs` rows and labels.

    Split #2 of MNIST's official training images, 500 of each digit, is in no pair. The 55,000 others are split #1. Its
    first 5,000 images give the validation pairs, the other 50,000 the training pairs. Each seed draws new training
    pairs in every epoch. Validation pairs (two per image), test pairs (one per image) and the pairs for train/accuracy
    are drawn once, the same for all seeds and arms.
    """

    batch_size: int = 128
    pairs_per_epoch: int | None = None  # None: one per training image
    part: str = "split1"

    items: ClassVar[str] = "pairs"
    multiple: ClassVar[int] = 2  # half of a batch has one class, half two
    foldable: ClassVar[bool] = False
    refused: ClassVar[tuple[str, ...]] = (
        "train_size", "augment", "class_weights", "train_per_class", "val_per_class", "batches_per_epoch",
    )  # fmt: skip

    def setup(self, stage: str | None = None) -> None:
        if self.is_set_up:
            return
        super().setup(stage)
        self.in_shape = (2, *self.in_shape)
        self.num_classes, self.class_names = 2, ["same", "different"]
        self.samplers = {split: PairSampler(y) for split, (_, y) in self.splits.items()}
        images = " / ".join(f"{len(y):,}" for _, y in self.splits.values())
        self.provenance["note"] += f", pairs of {images} images, none of split #2"
        sizes = self.sizes | {"train": self.sizes["test"]}
        self.pairs = {split: self.samplers[split].draw(sizes[split], generator(0, "pairs", split)) for split in sizes}

    def read(self) -> Arrays:
        found = super().read()
        if self.pairs_per_epoch is None:
            self.pairs_per_epoch = len(found.splits["train"][1]) // 2 * 2
        num = self.pairs_per_epoch
        valid = type(num) is int and 0 < num <= MAX_PAIRS and num % 2 == 0
        require(valid, "data.pairs_per_epoch", num, f"an even number up to {MAX_PAIRS:,}, half same, half different")
        return found

    @property
    def sizes(self) -> dict[str, int]:
        """Return the number of pairs of each split, for one seed; for training those of an epoch."""
        val, test = len(self.splits["val"][1]), len(self.splits["test"][1])
        assert self.pairs_per_epoch is not None
        return {"train": self.pairs_per_epoch, "val": 2 * val, "test": test // 2 * 2}

    def train_dataloader(self) -> Chunks:
        trainer = self.trainer
        assert trainer is not None, "the trainer knows the epoch"
        num = self.sizes["train"] // self.batch_size * self.batch_size

        def draw() -> tuple[Tensor, Tensor]:
            streams = [generator(seed, "pairs", trainer.current_epoch) for seed in self.seeds]
            rows, labels = zip(*(self.samplers["train"].draw(num, g) for g in streams), strict=True)
            return torch.stack(rows), torch.stack(labels)

        return Chunks(PairBatches(self.splits["train"][0], num, self.batch_size, draw))

    def eval_dataloader(self, split: str) -> PairBatches:
        rows, labels = self.pairs[split]
        return PairBatches(self.splits[split][0], len(labels), EVAL_BATCH, lambda: (rows, labels))

    def pictures(self, images: Tensor, index: Tensor) -> Tensor:
        """Return the two images of each pair side by side."""
        image_of = partial(super().pictures, images)
        return torch.cat([image_of(rows) for rows in self.pairs["test"][0][index.cpu()].unbind(1)], 2)
