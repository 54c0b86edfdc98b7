"""Learning-rate schedules that torch lacks, and a learning rate for each replica."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adagrad, Adam, NAdam, Optimizer, RMSprop
from torch.optim.lr_scheduler import LambdaLR

from dnnx.basics.errors import is_number, require
from dnnx.optim.ftrl import FTRL
from dnnx.optim.replica_scale import factor, multiply

# In each of these, an element's step is proportional to the learning rate and independent of other elements.
PROPORTIONAL = (SGD, Adam, NAdam, RMSprop, Adagrad)


def power(optimizer: Optimizer, r: float, c: float) -> LambdaLR:
    """Return power scheduling: lr (1 + t / r)^(-c) after t epochs (Senior et al. 2013)."""
    require(is_number(r) and r > 0, "scheduler.r", r, "a number of epochs above 0, for example scheduler.r=10")
    require(is_number(c), "scheduler.c", c, "a number, for example scheduler.c=0.5")
    return LambdaLR(optimizer, lambda t: (1 + t / r) ** -c)


class Performance:
    """Performance scheduling (Senior et al. 2013): reduce a replica's learning rate when its validation loss stalls.

    Equals torch's ReduceLROnPlateau with relative threshold and no cooldown, for each replica by its own loss.
    """

    def __init__(
        self, optimizer: Optimizer, num_replicas: int, factor: float = 0.5, patience: int = 5, threshold: float = 1e-4
    ):
        share = is_number(factor) and 0 < factor < 1
        require(share, "scheduler.factor", factor, "a share between 0 and 1, for example scheduler.factor=0.5")
        whole = type(patience) is int and patience >= 0
        require(whole, "scheduler.patience", patience, "a whole number of epochs, for example scheduler.patience=5")
        valid = is_number(threshold) and 0 <= threshold < 1
        require(valid, "scheduler.threshold", threshold, "a share in [0, 1), for example scheduler.threshold=1e-4")
        self.optimizer, self.factor, self.patience, self.threshold = optimizer, factor, patience, threshold
        self.best = torch.full((num_replicas,), torch.inf, dtype=torch.float64)
        self.bad_epochs = torch.zeros(num_replicas, dtype=torch.int64)
        scale_rates(optimizer, torch.ones(num_replicas))

    def step(self, val_loss: Tensor) -> None:
        """Update the learning rates at the end of an epoch from its validation losses [R]."""
        loss = val_loss.double().cpu()  # torch compares in double precision too
        better = loss < self.best * (1 - self.threshold)
        self.best = torch.where(better, loss, self.best)
        self.bad_epochs = torch.where(better, 0, self.bad_epochs + 1)
        reduced = self.bad_epochs > self.patience
        self.bad_epochs[reduced] = 0
        scale_rates(self.optimizer, torch.where(reduced, self.factor, 1.0))

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the replicas at these places alone."""
        self.best, self.bad_epochs = self.best[list(places)], self.bad_epochs[list(places)]

    def state_dict(self) -> dict[str, Tensor]:
        return {"best": self.best, "bad_epochs": self.bad_epochs}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        vars(self).update(state)


def scale_rates(optimizer: Optimizer, scale: Tensor) -> None:
    """Multiply the learning rate of replica r by scale[r], at most 1, in all later steps.

    The optimizer takes the full step, then the fraction 1 - scale of it is undone. FTRL scales its steps itself.
    """
    known = *PROPORTIONAL, FTRL
    require(
        isinstance(optimizer, known), "optimizer._target_", type(optimizer).__name__,
        "it cannot have a rate for each seed; choose one of " + ", ".join(kind.__name__ for kind in known),
    )  # fmt: skip
    if "replica_scale" not in optimizer.param_groups[0] and not isinstance(optimizer, FTRL):
        before: list[Tensor] = []
        optimizer.register_step_pre_hook(lambda *_: before.extend(p.detach().clone() for _, p in _scaled(optimizer)))
        optimizer.register_step_post_hook(lambda *_: _take_back(optimizer, before))
    multiply(optimizer, scale)


@torch.no_grad()
def _take_back(optimizer: Optimizer, before: list[Tensor]) -> None:
    for group, p in _scaled(optimizer):
        p.copy_(before.pop(0).lerp(p, factor(group).view(-1, *[1] * (p.dim() - 1))))


def _scaled(optimizer: Optimizer) -> list[tuple[dict[str, Any], Tensor]]:
    """Return the parameters of which a replica has another rate, with their groups."""
    groups = [group for group in optimizer.param_groups if group.get("is_scaled", True)]
    return [(group, p) for group in groups for p in group["params"]]


def rates(optimizer: Optimizer, num_replicas: int) -> dict[str, Tensor]:
    """Return the settings of the next step for each replica: `lr`, and `momentum` (or beta1) if a schedule moves it."""
    group: dict[str, Any] = optimizer.param_groups[0]
    values = {"lr": group["lr"] * group.get("replica_scale", 1)}
    if "max_momentum" in group:  # one cycle
        values["momentum"] = group["betas"][0] if "betas" in group else group["momentum"]
    return {name: torch.as_tensor(value, dtype=torch.float64).expand(num_replicas) for name, value in values.items()}
