"""A learning rate for each replica, as a factor [R] in the groups of an optimizer."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


def multiply(optimizer: Optimizer, scale: Tensor) -> None:
    """Multiply the factor of replica r by scale[r] in every group. It stays on the device of the parameters."""
    for group in optimizer.param_groups:
        before = group.get("replica_scale", torch.ones(()))
        after = before.cpu() * scale.cpu()
        group["is_scaled"] = bool((after != 1).any())
        group["replica_scale"] = after.to(group["params"][0].device)


def factor(group: dict[str, Any]) -> Tensor:
    """Return the factor [R] of a group in the numbers of its parameters. A copy from the CPU is made once."""
    group["replica_scale"] = group["replica_scale"].to(group["params"][0].device)
    return group["replica_scale"].to(group["params"][0].dtype)
