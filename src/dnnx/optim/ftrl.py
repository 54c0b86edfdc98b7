"""FTRL-Proximal, which torch lacks: adaptive steps whose L1 penalty makes weights exactly zero."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from dnnx.basics.errors import is_number, require
from dnnx.optim.replica_scale import factor


class FTRL(Optimizer):
    """Follow the regularized leader, each element on its own (McMahan et al. 2013, algorithm 1).

    The learning rate of an element is lr / (beta + sqrt(n)), where n is the sum of its squared gradients. The weights
    minimize g w + sum_s sigma_s (w - w_s)^2 / 2 + l1 |w| + l2 w^2 / 2, where g is the sum of all gradients.

    The paper leaves two things open. Here the first w_s are the initial weights (in the paper 0), with sigma beta / lr.
    If a schedule changes lr, sigma is the difference of two inverse rates. Without l1 and l2 a step is w - rate *
    gradient, as in AdaGrad.

    Each replica can have its own learning rate (`replica_scale`, see dnnx.optim.schedules).
    """

    def __init__(self, params: Any, lr: float = 0.1, beta: float = 1.0, l1: float = 0.0, l2: float = 0.0):
        for name, value in (("lr", lr), ("beta", beta)):
            valid = is_number(value) and 0 < value < math.inf
            require(valid, f"optimizer.{name}", value, f"a number above 0, for example optimizer.{name}=1")
        for name, value in (("l1", l1), ("l2", l2)):
            valid = is_number(value) and 0 <= value < math.inf
            require(valid, f"optimizer.{name}", value, f"a number of at least 0, for example optimizer.{name}=1e-3")
        super().__init__(params, {"lr": lr, "beta": beta, "l1": l1, "l2": l2})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._move(p, p.grad, self.state[p], group)

    def _move(self, p: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
        shape = [-1, *[1] * (p.dim() - 1)][: p.dim()]
        scale = factor(group).view(shape) if "replica_scale" in group else p.new_ones([1] * p.dim())
        rate = group["lr"] * scale
        if not state:
            state["n"] = torch.zeros_like(p)
            state["inverse_rate"] = group["beta"] / rate.expand_as(p)
            state["z"] = -p * state["inverse_rate"]
        inverse_rate = (state["n"].addcmul_(gradient, gradient).sqrt() + group["beta"]) / rate
        z = state["z"].add_(gradient - (inverse_rate - state["inverse_rate"]) * p)
        state["inverse_rate"] = inverse_rate
        p.copy_(-F.softshrink(z, group["l1"]) / (inverse_rate + group["l2"]))
