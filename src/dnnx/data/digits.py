"""Digits: MNIST or scikit-learn's digits, all or chosen classes, all or few images."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dnnx.basics.errors import choose, require
from dnnx.basics.seeding import generator
from dnnx.data.arrays import Arrays, Examples
from dnnx.data.images import Images
from dnnx.data.sources import Source

VAL_SHARE = 5  # in split #2 one image in 5 is for validation
PARTS = ("all", "split1", "split2")


@dataclass(eq=False, repr=False, kw_only=True)
class Digits(Images):
    """MNIST, or scikit-learn's digits as a substitute.

    With `val_per_class` every seed draws its own validation and training images from the official training images. A
    seed's validation images do not depend on `train_per_class`. A smaller training set is a subset of a larger one.

    `part=split2` holds 500 images of each class, drawn once for all seeds: 400 for training, 100 for validation.
    `part=split1` holds all others, with the official validation images.

    Example: `Digits(seeds=[0], root="data", classes=[5, 6, 7, 8, 9], train_per_class=100, val_per_class=30)`.
    """

    train_per_class: int | None = None  # with val_per_class; None: all remaining images
    val_per_class: int | None = None  # None: the official validation images
    part: str = "all"  # or split1, split2

    sources: ClassVar[tuple[str, ...]] = ("auto", "mnist", "digits")
    kinds: ClassVar[str] = "digits"
    of_seeds: ClassVar[tuple[str, ...]] = (*Images.of_seeds, "train_per_class")

    def _training_splits(self, source: Source, found: Arrays) -> dict[str, Examples]:
        choose("data.part", self.part, dict.fromkeys(PARTS))
        if self.part != "all":
            told = "a part has images of its own for validation; type data.part=all"
            require(self.val_per_class is None, "data.val_per_class", self.val_per_class, told)
        if self.val_per_class is not None:
            x, y = self._choose(source.train_images, source.train_labels)
            return {"train": (x, y), "val": (x, y)}
        splits = super()._training_splits(source, found)
        if self.part == "all":
            return splits
        x, y = splits["train"]
        if self.part == "split1":
            rows = split1(y)
            return {"train": (x[rows], y[rows]), "val": splits["val"]}
        return self._few_of_all(x, y, found)

    def _few_of_all(self, x: Tensor, y: Tensor, found: Arrays) -> dict[str, Examples]:
        rows = split2(y)
        num_train = rows.shape[1] - rows.shape[1] // VAL_SHARE
        found.provenance["note"] += f", split #2: {rows.shape[1]} of each class for training and validation"
        parts = {"train": rows[:, :num_train].flatten(), "val": rows[:, num_train:].flatten()}
        return {name: (x[part], y[part]) for name, part in parts.items()}

    def draw_rows(self) -> dict[str, Tensor]:
        """Return the rows of each seed, drawn from all training images; nothing without `val_per_class`."""
        train, val, y = self.train_per_class, self.val_per_class, self.splits["train"][1]
        told = "also type data.val_per_class, for example data.val_per_class=30"
        require(train is None or val is not None, "data.train_per_class", train, told)
        if val is None:
            return {}
        available = int(y.bincount().min())
        told = "a whole number from 1 to the {} that there are of each digit"
        valid = type(val) is int and 1 <= val < available
        require(valid, "data.val_per_class", val, told.format(available - 1))
        valid = train is None or (type(train) is int and 1 <= train <= available - val)
        require(valid, "data.train_per_class", train, f"{told.format(available - val)}, or null for all")
        draws = [draw(y, seed) for seed in self.seeds]
        rows = {"val": torch.stack([own[:, :val].flatten() for own in draws])}
        if train is None:
            rows["train"] = torch.stack([others(own, len(y)) for own in rows["val"]])
        else:
            rows["train"] = torch.stack([own[:, val : val + train].flatten() for own in draws])
        return rows


def draw(y: Tensor, seed: int) -> Tensor:
    """Return the rows of each class in the seed's own order, [classes, images in the smallest class]."""
    g = generator(seed, "draw")
    of_class = [(y == label).nonzero()[:, 0] for label in range(int(y.max()) + 1)]
    shuffled = [rows[torch.randperm(len(rows), generator=g)] for rows in of_class]
    return torch.stack([rows[: min(map(len, of_class))] for rows in shuffled])


def others(rows: Tensor, num: int) -> Tensor:
    """Return the numbers from 0 to `num` - 1 that are not in `rows`, in order."""
    left = torch.ones(num, dtype=torch.bool)
    left[rows] = False
    return left.nonzero()[:, 0]


def split2(y: Tensor) -> Tensor:
    """Return the rows of split #2 [classes, n], drawn once for all seeds.

    These are 500 of each class among MNIST's 55,000 training images; smaller sources give a proportional number. All
    other rows are split #1.
    """
    return draw(y, seed=0)[:, : len(y) // (11 * len(y.unique()))]


def split1(y: Tensor) -> Tensor:
    """Return the rows of split #1."""
    return others(split2(y).flatten(), len(y))
