"""Learning-rate schedules that follow the steps: each takes `steps_per_epoch`, so it is stepped after every batch."""

from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LambdaLR

from dnnx.basics.errors import choose, is_number, require

MODES: dict[str, Literal["triangular", "triangular2"]] = {"triangular": "triangular", "triangular2": "triangular2"}


def exponential_steps(optimizer: Optimizer, decay_steps: int, decay_rate: float, steps_per_epoch: int) -> LambdaLR:
    """Return exponential scheduling by steps: lr decay_rate^(t / decay_steps) after t steps (Senior et al. 2013).

    This is TensorFlow's `exponential_decay(lr, decay_steps, decay_rate)`, which is not staircase by default.

    Example: `scheduler=exponential_steps scheduler.decay_steps=10000 scheduler.decay_rate=0.1`
    """
    whole = type(decay_steps) is int and decay_steps >= 1
    told = "a whole number of steps, for example scheduler.decay_steps=10000"
    require(whole, "scheduler.decay_steps", decay_steps, told)
    share = is_number(decay_rate) and 0 < decay_rate <= 1
    require(share, "scheduler.decay_rate", decay_rate, "a share in (0, 1], for example scheduler.decay_rate=0.1")
    return LambdaLR(optimizer, lambda t: decay_rate ** (t / decay_steps))


def cyclical(
    optimizer: Optimizer, max_lr: float, div_factor: float, half_cycle: float, mode: str, steps_per_epoch: int
) -> CyclicLR:
    """Return cyclical learning rates (Smith 2017): from max_lr / div_factor up to max_lr in `half_cycle` epochs, and
    down again as fast.

    `triangular2` halves the height of each next cycle. The momentum stays as it is.

    Example: `scheduler=cyclical scheduler.half_cycle=4 scheduler.mode=triangular2`
    """
    told = "a number above 1, for example scheduler.div_factor=10"
    require(is_number(div_factor) and div_factor > 1, "scheduler.div_factor", div_factor, told)
    steps = round(half_cycle * steps_per_epoch) if is_number(half_cycle) else 0
    told = "a number of epochs of at least one step, for example scheduler.half_cycle=4"
    require(steps >= 1, "scheduler.half_cycle", half_cycle, told)
    kind = choose("scheduler.mode", mode, MODES)
    return CyclicLR(optimizer, max_lr / div_factor, max_lr, steps, mode=kind, cycle_momentum=False)
