"""Each schedule is its formula, each replica has its own learning rate."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from commands import compose
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from torch import Tensor, nn

from dnnx.basics.errors import UserError
from dnnx.config.build import build
from dnnx.config.paths import CONF
from dnnx.optim.checks import build_scheduler, check_schedule
from dnnx.optim.schedules import Performance, rates, scale_rates

EPOCHS, STEPS = 30, 7
OPTIMIZERS = sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml"))


def schedule(
    *overrides: str, optimizer: str = "sgd"
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Build the optimizer and the scheduler of a config, for one parameter, at learning rate 0.1."""
    cfg = compose(f"optimizer={optimizer}", "optimizer.lr=0.1", f"trainer.max_epochs={EPOCHS}", *overrides)
    made = build("optimizer", cfg.optimizer, factory=True)([nn.Parameter(torch.zeros(1))])
    return made, build_scheduler(cfg.scheduler, steps_per_epoch=STEPS, num_replicas=1)(made)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("constant", lambda t: 1),
        ("exponential", lambda t: 10 ** (-t / (-1 / math.log10(0.95)))),
        ("cosine", lambda t: (1 + math.cos(math.pi * t / EPOCHS)) / 2),
        ("piecewise", lambda t: 1 if t < 10 else 0.1 if t < 20 else 0.01),
        ("power", lambda t: 1 / math.sqrt(1 + t / 10)),
        ("inverse_time", lambda t: 10 / (10 + t)),
        ("step", lambda t: 0.1 ** (t // 10)),
        ("warm_up", lambda t: min(1, 0.1 + 0.9 * t / 5)),
        ("polynomial", lambda t: (1 - t / EPOCHS) ** 2),
        ("warm_restarts", lambda t: (1 + math.cos(math.pi * (t / 10 if t < 10 else (t - 10) / 20))) / 2),
    ],
)
def test_a_schedule_is_its_formula_of_the_epoch(name: str, formula: Callable[[int], float]) -> None:
    optimizer, scheduler = schedule(f"scheduler={name}")
    for t in range(EPOCHS):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * formula(t), rel=1e-6)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "adamw", "nadam"])
def test_one_cycle_climbs_to_lr_and_ends_near_zero_with_the_momentum_the_other_way(optimizer: str) -> None:
    made, scheduler = schedule("scheduler=one_cycle", optimizer=optimizer)
    lr, momentum = [], []
    for _ in range(EPOCHS * STEPS):
        now = rates(made, 1)
        lr.append(now["lr"].item())
        momentum.append(now["momentum"].item())
        made.step()
        scheduler.step()
    assert lr[0] == pytest.approx(0.1 / 25)
    assert max(lr) == pytest.approx(0.1, rel=1e-3)
    assert lr.index(max(lr)) == pytest.approx(0.3 * EPOCHS * STEPS, abs=1)
    assert lr[-1] == pytest.approx(0.1 / 25 / 1e4)
    assert [momentum[0], min(momentum), momentum[-1]] == pytest.approx([0.95, 0.85, 0.95], abs=1e-3)
    climbs = [(b > a, d < c) for a, b, c, d in zip(lr, lr[1:], momentum, momentum[1:], strict=False)]
    assert all(up == down for up, down in climbs)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ("scheduler=exponential scheduler.gamma=-0.5", "scheduler=gamma=-0.5: it takes the learning rate to -0.05"),
        ("scheduler=exponential scheduler.gamma=inf", "scheduler.gamma=inf: a number"),
        ("scheduler=exponential scheduler.gamma=fast", "scheduler.gamma=fast: a number"),
        ("scheduler=cosine scheduler.T_max=0", "scheduler.T_max=0: a number of epochs, at least 1"),
        ("scheduler=one_cycle optimizer=adam scheduler.max_lr=-1", "scheduler=max_lr=-1, .* rate to -0.04"),
        ("scheduler=one_cycle optimizer=adam scheduler.epochs=1", "scheduler=max_lr=.*Tried to step 8 times"),
        ("scheduler=one_cycle optimizer=sgd", "one_cycle: .*this SGD has none; type .scheduler.cycle_momentum=false"),
        ("scheduler=one_cycle optimizer=rmsprop", "this RMSprop has none"),
        ("scheduler=one_cycle optimizer=adagrad", "this Adagrad has none"),
        ("scheduler=piecewise scheduler.milestones=10", "scheduler.milestones=10: a list of whole numbers"),
        ("scheduler=piecewise scheduler.milestones=[1.5]", r"scheduler.milestones=\[1.5\]"),
        ("scheduler=power scheduler.r=far", "scheduler.r=far"),
        ("scheduler=power scheduler.c=fast", "scheduler.c=fast"),
        ("scheduler=performance scheduler.patience=0.5", "scheduler.patience=0.5"),
        ("scheduler=performance scheduler.threshold=-1", "scheduler.threshold=-1"),
        ("scheduler=performance scheduler.factor=half", "scheduler.factor=half"),
    ],
)
def test_a_schedule_that_no_run_can_follow_is_a_one_line_error(overrides: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        check(*overrides.split())


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "scheduler").glob("*.yaml")))
def test_every_schedule_of_conf_can_be_followed(name: str) -> None:
    check(f"scheduler={name}", "optimizer=nesterov")


def test_one_cycle_of_the_learning_rate_alone_needs_no_momentum() -> None:
    check("scheduler=one_cycle", "optimizer=adagrad", "+scheduler.cycle_momentum=false")


def check(*overrides: str) -> None:
    cfg = compose("optimizer.lr=0.1", f"trainer.max_epochs={EPOCHS}", *overrides)
    trial = build("optimizer", cfg.optimizer, factory=True)([nn.Parameter(torch.zeros(1))])
    check_schedule(build_scheduler(cfg.scheduler, steps_per_epoch=STEPS, num_replicas=1), trial, EPOCHS)


def test_one_plateau_for_all_seeds_is_refused() -> None:
    config = OmegaConf.create({"_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau", "_partial_": True})
    with pytest.raises(UserError, match="type scheduler=performance"):
        build_scheduler(config)


@given(st.lists(st.floats(0.1, 10), min_size=30, max_size=60), st.integers(0, 3), st.sampled_from([0.0, 0.3]))
def test_performance_is_torchs_plateau_for_each_seed(losses: list[float], patience: int, threshold: float) -> None:
    seeds = torch.tensor([losses, losses[::-1], sorted(losses, reverse=True)])
    optimizers = [torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1) for _ in range(4)]
    plateau = partial(
        torch.optim.lr_scheduler.ReduceLROnPlateau, factor=0.5, patience=patience, threshold=threshold, eps=0
    )
    alone = [plateau(optimizer) for optimizer in optimizers[:3]]
    together = Performance(optimizers[3], 3, factor=0.5, patience=patience, threshold=threshold)
    for column in seeds.T:
        together.step(column)
        for scheduler, loss in zip(alone, column, strict=True):
            scheduler.step(loss)
        expected = [optimizer.param_groups[0]["lr"] for optimizer in optimizers[:3]]
        torch.testing.assert_close(rates(optimizers[3], 3)["lr"].tolist(), expected, rtol=1e-6, atol=0)


def walk(optimizer: str, start: Tensor, scale: Tensor | None, lr: float) -> Tensor:
    """`start` [R, 3] after five steps down sums of quartics that differ by replica."""
    p = nn.Parameter(start.clone())
    cfg = compose(f"optimizer={optimizer}", f"optimizer.lr={lr}")
    made = build("optimizer", cfg.optimizer, factory=True)([p])
    for group in made.param_groups:
        group["weight_decay"] = 0.1
    if scale is not None:
        scale_rates(made, scale)
    for _ in range(5):
        made.zero_grad()
        (p**4).sum().backward()
        made.step()
    return p.detach()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_replica_with_a_scaled_learning_rate_equals_that_replica_alone_at_the_product(optimizer: str) -> None:
    start, scale = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0.25, 1.0, 0.003])
    together = walk(optimizer, start, scale, 0.02)
    for r in range(3):
        alone = walk(optimizer, start[r : r + 1], None, 0.02 * scale[r].item())
        torch.testing.assert_close(together[r : r + 1], alone, rtol=1e-5, atol=1e-6)
    assert torch.equal(together[1], walk(optimizer, start, None, 0.02)[1]), "at scale 1 every bit is the same"


def test_an_optimizer_with_steps_not_proportional_to_its_learning_rate_is_refused() -> None:
    with pytest.raises(UserError, match=r"optimizer._target_=Rprop: it cannot have a rate for each seed.*SGD, Adam"):
        scale_rates(torch.optim.Rprop([nn.Parameter(torch.zeros(1))]), torch.ones(1))
