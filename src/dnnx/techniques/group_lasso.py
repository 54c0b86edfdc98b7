"""Group lasso: a penalty that empties whole groups of weights, those of an input or of a unit."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.at_work import must
from dnnx.basics.errors import choose, is_number, require
from dnnx.techniques.base import Technique
from dnnx.techniques.groups import of_inputs, of_units

KEY = "techniques.group_lasso"
GROUPS = {"inputs": of_inputs, "units": of_units}


class GroupLasso(Technique):
    """Add strength * sum over groups g of sqrt(n_g) ||w_g||, n_g weights in a group (Yuan & Lin 2006).

    The groups of `inputs` are the weights out of each input, hidden unit or channel (Scardapane et al. 2017). Those of
    `units` are the weights into each hidden unit or filter (Wen et al. 2016); the last layer's units are the outputs
    and have no group. Biases are in no group.

    The gradient of a group has the same length however small the group is, so groups shrink as a whole. As with L1,
    steps of an optimizer end near zero and not at it: pruning with `units=true` and `below` makes exact zeros.

    Example: `+technique=[group_lasso,pruning] techniques.group_lasso.of=units techniques.group_lasso.strength=1e-4
    techniques.pruning.units=true techniques.pruning.below=1e-3 techniques.pruning.until_epoch=10`
    """

    mergeable = True
    order = 0

    def __init__(self, strength: float, of: str = "inputs"):
        valid = is_number(strength) and 0 < strength < math.inf
        require(valid, f"{KEY}.strength", strength, f"a number above 0, for example {KEY}.strength=1e-4")
        self.strength, self.of = strength, of
        self.group = choose(f"{KEY}.of", of, GROUPS)

    def attach(self, module: Any) -> None:
        super().attach(module)
        told = f"the net has no layer below its outputs; type {KEY}.of=inputs"
        require(self.of == "inputs" or len(module.weight_names) > 1, f"{KEY}.of", self.of, told)

    def penalty(self) -> Tensor:
        weights = self.module.weights[: -1 if self.of == "units" else None]
        return self.strength * sum_of_norms([self.group(w, self.module.replicas.stacked) for w in weights])

    def metrics(self) -> dict[str, Tensor]:
        return {"train/group_lasso": self.penalty()}

    def check_after(self, run: Any) -> None:
        values = run.recorded["train/group_lasso"].values()
        must(any(v > 0 or math.isnan(v) for v in values), "no penalty was recorded")


def sum_of_norms(groups: Sequence[Tensor]) -> Tensor:
    """Return the sum over the groups of sqrt(n) ||w||, [R], of tensors of groups [R, G, n]."""
    terms = [math.sqrt(w.shape[2]) * torch.linalg.vector_norm(w, dim=2).sum(1) for w in groups]
    return torch.stack(terms).sum(0)
