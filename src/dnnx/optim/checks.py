"""Build the factories of an optimizer and a schedule, and try them before a run begins."""

import math
from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from dnnx.basics.errors import UserError, is_number, message_of, require, shown
from dnnx.config.build import build, check_made, naming
from dnnx.optim.schedules import PROPORTIONAL, Performance


def build_scheduler(config: DictConfig, **known: Any) -> partial[Any]:
    """Return the factory of a schedule. Arguments in `known` that it asks for are filled in: steps_per_epoch,
    num_replicas.
    """
    factory = build("scheduler", config, factory=True, **known)
    require(
        factory.func is not ReduceLROnPlateau, "scheduler._target_", config._target_,
        "one rate for all seeds would tie them together; type scheduler=performance",
    )  # fmt: skip
    milestones, length = factory.keywords.get("milestones", [1]), factory.keywords.get("T_max", 1)
    require(
        isinstance(milestones, list) and bool(milestones) and all(type(e) is int and e >= 1 for e in milestones),
        "scheduler.milestones", milestones,
        "a list of whole numbers of epochs, for example scheduler.milestones=[10,20]",
    )  # fmt: skip
    require(length >= 1, "scheduler.T_max", length, "a number of epochs, at least 1")
    return factory


def build_optimizer(config: DictConfig, num_replicas: int) -> tuple[partial[Any], Optimizer]:
    """Return the factory of an optimizer, and an optimizer of an empty parameter to try a schedule with."""
    factory = build("optimizer", config, factory=True)
    rate = factory.keywords.get("lr", 1)  # an error of torch would not name the key
    valid = is_number(rate) and 0 < rate < math.inf
    require(valid, "optimizer.lr", shown(rate), "a number above 0, for example optimizer.lr=1e-3")
    with naming("optimizer", factory.func):
        trial = factory([torch.nn.Parameter(torch.zeros(num_replicas))])
    check_seeds_apart(factory, num_replicas)
    for name in ("momentum", "alpha", "dampening"):  # torch accepts larger values, and the loss becomes nan
        share = trial.defaults.get(name, 0)
        require(0 <= share < 1, f"optimizer.{name}", share, f"a share in [0, 1), for example optimizer.{name}=0.9")
    return factory, trial


def check_seeds_apart(factory: partial[Any], num_replicas: int) -> None:
    """Raise UserError if the optimizer's step for one seed depends on the weights of another.

    All seeds share one tensor, [R, out, in]. An optimizer that divides by the norm of a whole tensor would mix them.
    """
    kind = factory.func
    if kind in PROPORTIONAL or kind.__module__.startswith("dnnx."):
        return
    told = f"{kind.__module__}.{kind.__qualname__}"
    with naming("optimizer", kind):
        together = _after_three_steps(factory, slice(0, 2))
        alone = torch.cat([_after_three_steps(factory, slice(0, 1)), _after_three_steps(factory, slice(1, 2))])
    require(
        num_replicas == 1 or torch.allclose(together, alone, rtol=1e-4, atol=1e-6), "optimizer._target_", told,
        "its step for one seed depends on the weights of the others; type seeds=[0], one seed for each run",
    )  # fmt: skip


def _after_three_steps(factory: partial[Any], seeds: slice) -> torch.Tensor:
    draws = torch.randn(4, 2, 3, 4, generator=torch.Generator().manual_seed(0))[:, seeds]
    weights = torch.nn.Parameter(draws[0].clone())
    optimizer = factory([weights])
    for gradient in draws[1:]:
        weights.grad = gradient.clone()
        optimizer.step()
    return weights.detach()


def check_schedule(factory: partial[Any], optimizer: Optimizer, epochs: int) -> None:
    """Raise UserError unless the schedule gives a finite learning rate of at least 0 in all epochs or steps."""
    given = ", ".join(f"{name}={value}" for name, value in factory.keywords.items())
    if factory.func is OneCycleLR and factory.keywords.get("cycle_momentum", True):
        momentum = optimizer.defaults.get("betas", [optimizer.defaults.get("momentum")])[0]
        require(
            bool(momentum), "scheduler", "one_cycle", f"it moves the momentum, and this {type(optimizer).__name__} has "
            "none; type +scheduler.cycle_momentum=false, or for example optimizer=nesterov",
        )  # fmt: skip
    try:
        with naming("scheduler", factory.func):
            schedule = factory(optimizer)
        check_made("scheduler", schedule, factory.func)
        optimizer.step()  # torch warns if the schedule steps first
        for _ in range(epochs * factory.keywords.get("steps_per_epoch", 1)):
            group = optimizer.param_groups[0]
            rate, momentum = group["lr"], group["betas"][0] if "betas" in group else group.get("momentum", 0)
            require(0 <= rate < math.inf, "scheduler", given, f"it takes the learning rate to {rate:g}")
            require(0 <= momentum < 1, "scheduler", given, f"it takes the momentum to {momentum:g}")
            if not isinstance(schedule, Performance):  # Performance needs the validation loss
                schedule.step()
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UserError(f"scheduler={given}: {message_of(error)}") from None
