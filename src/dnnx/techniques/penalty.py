"""Penalty: L1 and L2 of the weights, added to the loss of each replica."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.at_work import must
from dnnx.basics.errors import is_number, require
from dnnx.techniques.base import Technique


class Penalty(Technique):
    """Add l1 * sum |w| + l2 * sum w^2 over all weights with two or more axes: no biases, no norm layers.

    L1 is the lasso (Tibshirani 1996). L2 is ridge regression (for nets: Krogh & Hertz 1991); its gradient is 2 * l2 *
    w. Recorded losses do not contain the penalty. metrics.csv holds it as train/penalty.
    """

    order = 0

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        for name, value in (("l1", l1), ("l2", l2)):
            valid = is_number(value) and 0 <= value < math.inf
            key = f"techniques.penalty.{name}"
            require(valid, key, value, f"a number of at least 0, for example {key}=1e-4")
        self.l1, self.l2 = l1, l2

    def penalty(self) -> Tensor:
        return penalty(self.module.weights, self.module.replicas.num_replicas, self.l1, self.l2)

    def metrics(self) -> dict[str, Tensor]:
        return {"train/penalty": self.penalty()}

    def check_after(self, run: Any) -> None:
        values = run.recorded["train/penalty"].values()
        if self.l1 or self.l2:
            must(any(v > 0 or math.isnan(v) for v in values), "no penalty was recorded")
            must(not any(v < 0 for v in values), "a penalty was negative")


def penalty(weights: Iterable[Tensor], num_replicas: int, l1: float, l2: float) -> Tensor:
    """Return l1 sum |w| + l2 sum w^2 of each replica, [R]."""
    flat = [w.view(num_replicas, -1) for w in weights]
    terms = [l1 * w.abs().sum(1) for w in flat if l1] + [l2 * w.square().sum(1) for w in flat if l2]
    return torch.stack(terms).sum(0) if terms else flat[0].new_zeros(num_replicas)
