"""A technique of the user's: its hooks are called in order, its state is resumed, its check can fail a run."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import SMOKE, compose, measured
from modules import classifier
from safetensors.torch import load_file
from torch import Tensor

from dnnx.basics.at_work import NotAtWork, must
from dnnx.techniques.base import Technique
from dnnx.train import train

CALLS: list[tuple[str, str]] = []


class Drift(Technique):
    """Adds to the output bias `step` times the number of steps so far, which is state."""

    def __init__(self, step: float = 1e-3, name: str = "drift", order: int = 50, idle: bool = False):
        self.step, self.name, self.order, self.idle, self.count = step, name, order, idle, 0

    def before_training(self, data: Any) -> None:
        CALLS.append(("before_training", self.name))

    def before_epoch(self, epoch: int) -> None:
        CALLS.append((f"before_epoch {epoch}", self.name))

    def example_loss(self, loss: Tensor, outputs: Tensor, y: Tensor) -> Tensor:
        CALLS.append(("example_loss", self.name))
        return 2 * loss

    def penalty(self) -> Tensor:
        CALLS.append(("penalty", self.name))
        return torch.zeros(self.module.replicas.num_replicas)

    def after_backward(self) -> None:
        CALLS.append(("after_backward", self.name))

    def after_step(self) -> None:
        CALLS.append(("after_step", self.name))
        self.count += not self.idle
        self.module.replicas.net.output.bias.data.add_(self.step * self.count)

    def metrics(self) -> dict[str, Tensor]:
        return {"train/drift": torch.full((self.module.replicas.num_replicas,), float(self.count))}

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count = state["count"]

    def check_after(self, run: Any) -> None:
        must(max(run.recorded["train/drift"].values()) > 0, "nothing has drifted")


def typed(**values: Any) -> list[str]:
    return ["+techniques.own._target_=test_hooks.Drift", *(f"+techniques.own.{k}={v}" for k, v in values.items())]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "test_hooks", sys.modules[__name__])
    CALLS.clear()


def test_hooks_are_called_around_each_step_and_by_order() -> None:
    on = [Late(name="late", order=60), Drift(name="early", order=10)]
    module = classifier(6, 4, {"hidden": [5]}, [0, 1], *on, optimizer=lambda p: torch.optim.SGD(p, lr=0.1))
    assert list(module.techniques.values()) == on[::-1]
    x, y = torch.randn(2, 8, 6), torch.zeros(2, 8, dtype=torch.int64)
    module.learn((x, y), module.make_optimizer())
    hooks = ("example_loss", "penalty", "after_backward", "after_step")
    assert [(hook, name) for hook in hooks for name in ("early", "late")] == CALLS


class Late(Drift):
    """Another class, for a helper that names techniques by their class."""


def test_the_loss_that_is_differentiated_is_each_hook_s_of_the_one_before() -> None:
    module = classifier(6, 4, {"hidden": [5]}, [0, 1], Drift(), Late())
    x, y = torch.randn(2, 8, 6), torch.zeros(2, 8, dtype=torch.int64)
    outputs = module(x)
    loss = module.losses(outputs, y)
    torch.testing.assert_close(module.objective(outputs, y, loss), 4 * loss.mean(-1))


def test_a_run_records_its_metric_and_resumes_with_its_state(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    results = train(compose(*SMOKE, *typed(), "callbacks.checkpoint.every_n_epochs=1"), whole)
    assert CALLS[:2] == [("before_training", "drift"), ("before_epoch 1", "drift")]
    assert [call for call, _ in CALLS if call.startswith("before_epoch")] == [f"before_epoch {i}" for i in (1, 2, 3)]
    steps = sum(call == "after_step" for call, _ in CALLS)
    rows = [row.split(",") for row in (whole / "metrics.csv").read_text().splitlines()]
    assert {float(row[-1]) for row in rows if row[1:3] == ["train", "drift"]} == {steps / 3, 2 * steps / 3, steps}
    (cut / "checkpoints").mkdir(parents=True)
    (whole / "checkpoints" / "epoch_1.ckpt").rename(cut / "checkpoints" / "last.ckpt")
    shutil.copy(whole / "metrics.csv", cut)
    assert measured(train(compose(*SMOKE, *typed()), cut)) == measured(results)
    for name, value in load_file(whole / "model.safetensors").items():
        assert torch.equal(value, load_file(cut / "model.safetensors")[name])


def test_a_technique_that_shows_nothing_ends_the_run_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(NotAtWork, match=r"^techniques\.own is in the config but not at work: nothing has drifted"):
        train(compose(*SMOKE, *typed(idle="true")), tmp_path / "run")
    assert not (tmp_path / "run" / "results.json").exists()
