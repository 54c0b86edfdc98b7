"""Schedules that follow the steps: each is its formula of the step, whatever the epoch, and the same for each seed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from commands import SMOKE, compose
from torch import nn

from dnnx.basics.errors import UserError
from dnnx.config.build import build
from dnnx.optim.checks import build_scheduler, check_schedule
from dnnx.runs.tensors import load_tensors
from dnnx.train import train

EPOCHS, STEPS = 30, 7
EXPONENTIAL = ["scheduler=exponential_steps", "scheduler.decay_steps=50"]
CYCLICAL = ["scheduler=cyclical", "scheduler.half_cycle=2"]  # 14 steps up, 14 down


def built(*overrides: str) -> tuple[torch.optim.Optimizer, Any]:
    """Return an optimizer of one parameter at learning rate 0.1, and the factory of its schedule."""
    cfg = compose("optimizer=sgd", "optimizer.lr=0.1", f"trainer.max_epochs={EPOCHS}", *overrides)
    optimizer = build("optimizer", cfg.optimizer, factory=True)([nn.Parameter(torch.zeros(1))])
    return optimizer, build_scheduler(cfg.scheduler, steps_per_epoch=STEPS, num_replicas=1)


def rates_of(*overrides: str) -> list[float]:
    """Return the learning rate of every step."""
    optimizer, factory = built(*overrides)
    scheduler = factory(optimizer)
    found = []
    for _ in range(EPOCHS * STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_rate_is_multiplied_by_decay_rate_in_decay_steps(rate: float) -> None:
    found = rates_of(*EXPONENTIAL, f"scheduler.decay_rate={rate}")
    assert found == pytest.approx([0.1 * rate ** (t / 50) for t in range(EPOCHS * STEPS)])


@pytest.mark.parametrize("mode", ["triangular", "triangular2"])
def test_the_rate_rises_and_falls_in_straight_lines(mode: str) -> None:
    found = rates_of(*CYCLICAL, f"scheduler.mode={mode}")
    for t, rate in enumerate(found):
        cycle, place = divmod(t, 4 * STEPS)
        height = 0.09 / 2**cycle if mode == "triangular2" else 0.09
        assert rate == pytest.approx(0.01 + height * (1 - abs(place / (2 * STEPS) - 1)))


@pytest.mark.parametrize("words", [EXPONENTIAL, CYCLICAL])
def test_a_run_records_the_rate_and_a_seed_among_others_is_that_seed_alone(words: list[str], tmp_path: Path) -> None:
    run = [*SMOKE, "optimizer=sgd", "optimizer.lr=0.1", "data.batch_size=200", "net.hidden=[8]", *words]
    among, alone = tmp_path / "among", tmp_path / "alone"
    train(compose(*run, "seeds=[3,7]"), among)
    train(compose(*run, "seeds=[7]"), alone)
    for name, value in load_tensors(alone / "model.safetensors").items():
        torch.testing.assert_close(load_tensors(among / "model.safetensors")[name][1], value[0], rtol=1e-4, atol=1e-6)
    rows = [row.split(",") for row in (among / "metrics.csv").read_text().splitlines() if ",optimizer,lr,3," in row]
    assert len({row[-1] for row in rows}) == len(rows) == 3


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ("scheduler=exponential_steps scheduler.decay_steps=0", "scheduler.decay_steps=0: a whole number of steps"),
        ("scheduler=exponential_steps scheduler.decay_rate=0", r"scheduler.decay_rate=0: a share in \(0, 1\]"),
        ("scheduler=cyclical scheduler.div_factor=1", "scheduler.div_factor=1: a number above 1"),
        ("scheduler=cyclical scheduler.half_cycle=0.01", "scheduler.half_cycle=0.01: a number of epochs"),
        ("scheduler=cyclical scheduler.mode=triangle", "scheduler.mode=triangle: .*did you mean triangular"),
    ],
)
def test_a_bad_value_is_one_line(overrides: str, says: str) -> None:
    optimizer, factory = built(*overrides.split())
    with pytest.raises(UserError, match=says):
        check_schedule(factory, optimizer, EPOCHS)


def test_performance_is_measured_and_the_rate_reduced_every_few_batches(tmp_path: Path) -> None:
    """With epochs of 2 batches there are as many validations, and as many chances to reduce the rate."""
    run = [*SMOKE, "data.batch_size=100", "net.hidden=[8]", "scheduler=performance", "scheduler.patience=0"]
    run += ["scheduler.threshold=0.9", "+data.batches_per_epoch=2", "trainer.max_epochs=6"]
    train(compose(*run), tmp_path)
    rows = [row.split(",") for row in (tmp_path / "metrics.csv").read_text().splitlines()]
    rates = [float(row[4]) for row in rows if row[1:3] == ["optimizer", "lr"] and row[3] == "0"]
    assert rates[0] == rates[1]
    assert rates[2:] == pytest.approx([rates[1] / 2**k for k in range(1, 5)])
