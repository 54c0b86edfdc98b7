"""Max-norm: bound the norm of every unit's incoming weights after every step."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.at_work import must
from dnnx.basics.errors import is_number, require
from dnnx.techniques.base import Technique

TOLERANCE = 1e-3


class MaxNorm(Technique):
    """Scale the incoming weights w of every unit or channel by min(1, value / ||w||) (Srivastava et al. 2014)."""

    mergeable = True
    order = 40

    def __init__(self, value: float):
        valid = is_number(value) and 0 < value < math.inf
        require(valid, "techniques.max_norm.value", value, "a number above 0, for example techniques.max_norm.value=1")
        self.value = value

    def after_step(self) -> None:
        bound_norms(self.module.weights, self.value, self.module.replicas.stacked)

    def check_after(self, run: Any) -> None:
        for name in run.module.weight_names:
            end = run.end[name]
            found = end.flatten(2).norm(dim=-1).nan_to_num(0).max()
            told = f"a unit of {name} has a norm of {found:g} and not {self.value:g} at most"
            must(found <= self.value * (1 + TOLERANCE), told)


@torch.no_grad()
def bound_norms(weights: Iterable[Tensor], most: float, stacked: bool = False) -> None:
    """Bound in place the norm of each unit's weights, [out, ...] or `stacked` [R, out, ...], to `most`."""
    first = 2 if stacked else 1  # the first axis of a unit's own weights
    for w in weights:
        axes = tuple(range(first - w.dim(), 0))
        w.mul_((most / torch.linalg.vector_norm(w, dim=axes, keepdim=True)).clamp_(max=1))
