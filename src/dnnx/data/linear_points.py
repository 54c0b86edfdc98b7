"""LinearPoints: a linear function with noise, made by scikit-learn's make_regression."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from sklearn.datasets import make_regression

from dnnx.basics.errors import is_number, require
from dnnx.data.arrays import ArrayData, Arrays
from dnnx.data.splitting import PARTS, check_shares, split_rows


@dataclass(eq=False, repr=False, kw_only=True)
class LinearPoints(ArrayData):
    """x [n, features] and y = x w + noise; `noise` is the standard deviation that no model can predict.

    Example: `LinearPoints(seeds=[0], num=200, noise=10.0)`.
    """

    num: int = 200
    num_features: int = 1
    noise: float = 0.0

    items: ClassVar[str] = "points"
    refused: ClassVar[tuple[str, ...]] = ("augment",)

    def read(self) -> Arrays:
        valid = type(self.num) is int and self.num >= 3
        require(valid, "data.num", self.num, "a whole number of at least 3")
        valid = type(self.num_features) is int and self.num_features >= 1
        require(valid, "data.num_features", self.num_features, "a whole number of at least 1")
        require(is_number(self.noise) and self.noise >= 0, "data.noise", self.noise, "a number of at least 0")
        check_shares(self.split, self.order_seed)
        x, y = make_regression(self.num, self.num_features, n_informative=self.num_features, noise=self.noise,
                               random_state=self.order_seed)  # fmt: skip
        inputs, targets = torch.from_numpy(x).float(), torch.from_numpy(y).float()
        rows = dict(zip(PARTS, split_rows(targets, self.split, self.order_seed), strict=True))
        note = f"make_regression: {self.num} points, noise {self.noise:g}, by data.order_seed={self.order_seed}"
        provenance = {"source": "linear_points", "note": note, "warning": "", "files": {}}
        return Arrays({part: (inputs[own], targets[own]) for part, own in rows.items()}, provenance)
