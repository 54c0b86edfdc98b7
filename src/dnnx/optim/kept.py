"""What an optimizer keeps when some of its replicas leave: the others' part of its state and of its groups."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from dnnx.basics.per_replica import holds
from dnnx.optim.fused_adam import FusedAdam

PLAIN = (int, float, bool, str, type(None))


def may_leave(optimizer: Optimizer, num: int) -> bool:
    """Return whether everything that an optimizer of `num` replicas holds of them is known."""
    of_parameters = [(p, value) for p, state in optimizer.state.items() for value in state.values()]
    of_groups = [(name, value) for group in optimizer.param_groups for name, value in group.items()]
    rest = {name: value for name, value in vars(optimizer).items() if name not in ("state", "param_groups", "defaults")}
    return (
        all(isinstance(value, PLAIN) or _is_known(value, p, num) for p, value in of_parameters)
        and all(name == "replica_scale" or not _has_axes(value) for name, value in of_groups)
        and not holds(rest, num)
    )


def keep(optimizer: Optimizer, places: Sequence[int]) -> None:
    """Go on with the replicas at these places alone, as the parameters already do."""
    if isinstance(optimizer, FusedAdam):
        optimizer.keep(places)
    for state in (*optimizer.state.values(), *optimizer.param_groups):
        for name, value in state.items():
            if _has_axes(value):
                state[name] = value[list(places)]


def _is_known(value: Any, p: Tensor, num: int) -> bool:
    """Return whether it is a single number for all replicas, or has the axes of a parameter [R, ...]."""
    return isinstance(value, Tensor) and (value.dim() == 0 or (value.dim() == p.dim() and len(value) == num))


def _has_axes(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0
