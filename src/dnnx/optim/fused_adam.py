"""Adam by torch's fused kernel alone: torch's own code around it takes an eighth of each step of a small network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dnnx.optim.rounding import Parts, single, single_left


@dataclass
class Gathered:
    """The tensors of a group that its step needs besides gradients."""

    params: list[Tensor]
    exp_avgs: list[Tensor]
    exp_avg_sqs: list[Tensor]
    steps: list[Tensor]
    has_parts: bool  # whether the kernel takes some of them in parts
    counter: Tensor | None = None  # of which the steps are the elements


class FusedAdam(torch.optim.Adam):
    """`torch.optim.Adam(fused=True)`, or AdamW with `decoupled_weight_decay`, with the same bits.

    When replicas leave (`keep`), the others' steps keep their bits too.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
    ):
        super().__init__(
            params, lr, betas, eps, weight_decay, fused=True, decoupled_weight_decay=decoupled_weight_decay
        )
        self.parts: dict[Tensor, Parts] = {}
        self.gathered: dict[int, Gathered] = {}  # by the place of the group

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take one step for every parameter that has a gradient."""
        for i, group in enumerate(self.param_groups):
            gradients = [p.grad for p in group["params"] if p.grad is not None]
            is_whole = len(gradients) == len(group["params"])
            found = self.gathered.get(i) if is_whole else None
            if gradients and found is None:
                found = self._gather(group)
                if is_whole:
                    self._count_together(found)
                    self.gathered[i] = found
            if found is not None:
                torch._foreach_add_(found.steps, 1) if found.counter is None else found.counter.add_(1)
                self._move(found, gradients, group)

    def _move(self, found: Gathered, gradients: list[Any], group: dict[str, Any]) -> None:
        params, exp_avgs, exp_avg_sqs, steps = found.params, found.exp_avgs, found.exp_avg_sqs, found.steps
        split: list[Parts] = []
        if found.has_parts:
            columns = [*params], [*exp_avgs], [*exp_avg_sqs], gradients, [*steps]
            split = self._split(*columns)
            params, exp_avgs, exp_avg_sqs, gradients, steps = columns
        kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
        kernel(
            params, gradients, exp_avgs, exp_avg_sqs, [], steps, lr=group["lr"], beta1=group["betas"][0],
            beta2=group["betas"][1], weight_decay=group["weight_decay"], eps=group["eps"], amsgrad=False,
            maximize=False,
        )  # fmt: skip
        for parts in split:
            parts.write()

    def _gather(self, group: dict[str, Any]) -> Gathered:
        """Return the tensors of the parameters with a gradient. In each step it would cost half a kernel."""
        lists: list[list[Any]] = [[] for _ in range(6)]
        self._init_group(group, *lists)
        params, _, exp_avgs, exp_avg_sqs, _, steps = lists
        return Gathered(params, exp_avgs, exp_avg_sqs, steps, any("single" in self.state[p] for p in params))

    def _count_together(self, found: Gathered) -> None:
        """Let the step counts of all parameters be elements of one tensor."""
        found.counter = torch.stack(found.steps)
        found.steps = list(found.counter.unbind())
        for p, step in zip(found.params, found.steps, strict=True):
            self.state[p]["step"] = step

    def load_state_dict(self, state_dict: Any) -> None:
        super().load_state_dict(state_dict)
        self.gathered.clear()

    def _split(self, *columns: list[Any]) -> list[Parts]:
        """Exchange in place the tensors whose end the kernel would round otherwise for their parts; return those."""
        rows = [*zip(*columns, strict=True)]
        for column in columns:
            column.clear()
        split = []
        for p, *averages, gradient, step in rows:
            own = [(p, *averages, gradient)]
            if self.state[p].get("single", single(p)) != single(p):
                split.append(parts := self._parts(p, *averages))
                own = [(*part, last) for part, last in zip(parts.parts, parts.of(gradient), strict=True)]
            for row in own:
                for column, value in zip(columns, (*row, step), strict=True):
                    column.append(value)
        return split

    def _parts(self, p: Tensor, *averages: Tensor) -> Parts:
        parts = self.parts.get(p)
        if parts is None or not parts.are_of((p, *averages)):
            parts = self.parts[p] = Parts((p, *averages), self.state[p]["single"])
        return parts

    def keep(self, places: Sequence[int]) -> None:
        """Note what the kernel takes one by one, before the state goes on with the replicas at these places alone."""
        self.parts.clear()
        self.gathered.clear()
        for state in self.state.values():
            before = state["exp_avg"]
            state["single"] = single_left(before, state.get("single", single(before)), places)
