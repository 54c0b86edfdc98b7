"""LayerRates: layers that learn more slowly, each by its own factor of the learning rate (Howard & Ruder 2018)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.at_work import must
from dnnx.basics.errors import is_number, require
from dnnx.basics.patterns import matching
from dnnx.techniques.base import Technique

KEY = "techniques.layer_rates.factors"


class LayerRates(Technique):
    """Take a share of each step of the parameters whose names match a pattern.

    Args:
        factors: pattern of parameter names: factor of the learning rate, between 0 and 1. The last match counts.

    The optimizer takes the full step, then the rest of it is undone. So this works with every optimizer and schedule.
    """

    mergeable = True
    order = 90  # the last to change a step

    def __init__(self, factors: Mapping[str, float]):
        told = "patterns with factors, for example 'techniques.layer_rates.factors={units.*: 0.1}'"
        require(isinstance(factors, Mapping) and bool(factors), KEY, factors, told)
        for pattern, factor in factors.items():
            require(is_number(factor) and 0 < factor < 1, f"{KEY}.{pattern}", factor, "a number between 0 and 1")
        self.factors, self.before = dict(factors), dict[str, Tensor]()
        self.steps = 0

    def before_training(self, data: object) -> None:
        named = {name: p for name, p in self.module.replicas.net.named_parameters() if p.requires_grad}
        self.own = {
            name: factor for pattern, factor in self.factors.items() for name in matching(named, [pattern], KEY)
        }
        self.parameters = {name: named[name] for name in self.own}

    def keep(self, places: Sequence[int]) -> None:
        """Nothing is held between two steps."""

    def after_backward(self) -> None:
        self.before = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def after_step(self) -> None:
        for name, parameter in self.parameters.items():
            torch.lerp(self.before[name], parameter, self.own[name], out=parameter.data)
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = int(state["steps"])

    def check_after(self, run: object) -> None:
        must(self.steps > 0, "no step was shortened")
