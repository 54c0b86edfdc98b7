"""The digits 5-9 with few images of each: every seed draws its own for training and validation."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.errors import require
from dnnx.basics.seeding import generator
from dnnx.data.images import ImageData, Images
from dnnx.data.sources import Source


class MNIST59(ImageData):
    """From MNIST, for each seed, 5 x 100 training and 5 x 30 validation images, and all 4,861 test images.

    A seed's validation images do not depend on `train_per_class`, and fewer training images are among the more. None
    takes all that are not for validation, whatever their number of each digit.
    """

    labels = range(5, 10)

    def __init__(
        self,
        seeds: Sequence[int],
        root: str,
        source: str = "auto",
        batch_size: int = 32,
        train_per_class: int | None = 100,
        val_per_class: int = 30,
        augment: Mapping[str, Any] | None = None,
    ):
        super().__init__(seeds, root, source, batch_size, augment=augment)
        self.train_per_class, self.val_per_class = train_per_class, val_per_class

    def _training_splits(self, source: Source) -> dict[str, Images]:
        x, y = self._choose(source.train_images, source.train_labels)
        available = int(y.bincount().min())
        val, train = self.val_per_class, self.train_per_class
        told = "a whole number from 1 to the {} that there are of each digit"
        valid = type(val) is int and 1 <= val < available
        require(valid, "data.val_per_class", val, told.format(available - 1))
        valid = train is None or (type(train) is int and 1 <= train <= available - val)
        require(valid, "data.train_per_class", train, f"{told.format(available - val)}, or null for all")
        draws = [draw(y, seed) for seed in self.seeds]
        self.rows = {"val": torch.stack([rows[:, :val].flatten() for rows in draws])}
        if train is None:
            self.rows["train"] = torch.stack([others(rows, len(y)) for rows in self.rows["val"]])
        else:
            self.rows["train"] = torch.stack([rows[:, val : val + train].flatten() for rows in draws])
        return {"train": (x, y), "val": (x, y)}


def draw(y: Tensor, seed: int) -> Tensor:
    """Rows of each class in the seed's own order, [classes, fewest images of a class]."""
    g = generator(seed, "draw")
    of_class = [(y == label).nonzero()[:, 0] for label in range(int(y.max()) + 1)]
    shuffled = [rows[torch.randperm(len(rows), generator=g)] for rows in of_class]
    return torch.stack([rows[: min(map(len, of_class))] for rows in shuffled])


def others(rows: Tensor, num: int) -> Tensor:
    """What of 0 to `num` - 1 is not in `rows`, in order."""
    left = torch.ones(num, dtype=torch.bool)
    left[rows] = False
    return left.nonzero()[:, 0]
