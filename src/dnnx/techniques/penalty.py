"""Penalty: L1 and L2 of the weights, added to the loss of each replica."""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.at_work import must
from dnnx.basics.errors import is_number, require
from dnnx.basics.patterns import matching
from dnnx.techniques.base import Technique

KEY = "techniques.penalty"
Factor = float | Mapping[str, float]


class Penalty(Technique):
    """Add l1 * sum |w| + l2 * sum w^2 over all weights with two or more axes: no biases, no norm layers.

    L1 is the lasso (Tibshirani 1996). L2 is ridge regression (for nets: Krogh & Hertz 1991); its gradient is 2 * l2 *
    w. Recorded losses do not contain the penalty. metrics.csv holds it as train/penalty.

    Args:
        l1, l2: one factor for all layers, or patterns of parameter names with factors. The last match counts, and
            weights without a match have no penalty: `l1={hidden_layers.0.*: 1e-4, output.*: 1e-5}`.
    """

    mergeable = True
    order = 0

    def __init__(self, l1: Factor = 0.0, l2: Factor = 0.0):
        for name, given in (("l1", l1), ("l2", l2)):
            for pattern, value in given.items() if isinstance(given, Mapping) else [("", given)]:
                key = f"{KEY}.{name}{pattern and f'.{pattern}'}"
                valid = is_number(value) and 0 <= value < math.inf
                told = f"a number of at least 0, or patterns with such numbers, for example {KEY}.{name}=1e-4"
                require(valid, key, value, told)
        self.l1, self.l2 = l1, l2

    @cached_property
    def factors(self) -> list[list[float]]:
        """The factors of L1 and of L2, one for each weight."""
        names = self.module.weight_names
        return [of_each(given, names, f"{KEY}.{name}") for name, given in (("l1", self.l1), ("l2", self.l2))]

    def penalty(self) -> Tensor:
        return penalty(self.module.weights, self.module.replicas.num_replicas, *self.factors)

    def metrics(self) -> dict[str, Tensor]:
        return {"train/penalty": self.penalty()}

    def keep(self, places: Sequence[int]) -> None:
        """Nothing is held of a replica."""

    def check_before(self, run: Any) -> None:
        num = len(run.module.weights)
        must(all(len(own) == num for own in self.factors), "not every weight has a factor")

    def check_after(self, run: Any) -> None:
        values = run.recorded["train/penalty"].values()
        if any(map(any, self.factors)):
            must(any(v > 0 or math.isnan(v) for v in values), "no penalty was recorded")
            must(not any(v < 0 for v in values), "a penalty was negative")


def of_each(given: Factor, names: Sequence[str], key: str) -> list[float]:
    """Return the factor of each of these weights. Raise UserError, which names `key`, for a pattern without match."""
    if not isinstance(given, Mapping):
        return [given] * len(names)
    found = {name: factor for pattern, factor in given.items() for name in matching(names, [pattern], key)}
    return [found.get(name, 0.0) for name in names]


def penalty(weights: Iterable[Tensor], num_replicas: int, l1: Sequence[float], l2: Sequence[float]) -> Tensor:
    """Return the sum over weights of l1 sum |w| + l2 sum w^2 of each replica, [R]; l1 and l2 have a factor for each."""
    flat = [w.view(num_replicas, -1) for w in weights]
    terms = [factor * w.abs().sum(1) for w, factor in zip(flat, l1, strict=True) if factor]
    terms += [factor * w.square().sum(1) for w, factor in zip(flat, l2, strict=True) if factor]
    return torch.stack(terms).sum(0) if terms else flat[0].new_zeros(num_replicas)
