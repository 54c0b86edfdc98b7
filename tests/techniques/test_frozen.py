"""Frozen layers of a net that brings its own weights: they stay, batch statistics too, and a wrong pattern is named."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import SMOKE, compose
from modules import make
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.nets.dense import DenseNet
from dnnx.optim.fused_adam import FusedAdam
from dnnx.runs.tensors import load_tensors
from dnnx.tasks.classification import Classification
from dnnx.techniques.frozen import Frozen
from dnnx.train import train

WORDS = [*SMOKE, "net.norm=batch", "+technique=frozen", "trainer.max_epochs=1"]


def test_frozen_layers_stay_with_their_statistics_and_others_move(tmp_path: Path) -> None:
    frozen = "techniques.frozen.patterns=['hidden_layers.0.*','*.norm.*']"
    for name, words in (("start", ["optimizer.lr=1e-12"]), ("trained", ["optimizer.lr=1e-3"])):
        train(compose(*WORDS, frozen, *words), tmp_path / name)
    start, trained = (load_tensors(tmp_path / name / "model.safetensors") for name in ("start", "trained"))
    for name, value in trained.items():
        stays = name.startswith("hidden_layers.0.") or ".norm." in name
        assert torch.equal(value, start[name]) == stays, name
        if name.endswith("running_mean"):
            assert not value.any()


@pytest.mark.parametrize(
    ("patterns", "message"),
    [("['nothing.*']", r"techniques\.frozen\.patterns.*nothing\.\*"), ("['*']", r"nothing is left to train")],
)
def test_a_wrong_pattern_is_one_line(tmp_path: Path, patterns: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        train(compose(*WORDS, f"techniques.frozen.patterns={patterns}"), tmp_path)


def test_no_pattern_is_one_line() -> None:
    with pytest.raises(UserError, match=r"techniques\.frozen\.patterns=\[\]: a list of patterns"):
        Frozen([])


class Stopped(DenseNet):
    """No gradient passes below its upper hidden layer (`stop_gradient`, in torch `detach`)."""

    def forward(self, x: Tensor, *given: Any, **named: Any) -> Any:
        lower, upper = self.hidden_layers
        return self.output(upper(lower(x).detach()))


@pytest.mark.parametrize("optimizer", [partial(torch.optim.SGD, lr=0.1, momentum=0.9), partial(FusedAdam, lr=1e-2)])
def test_a_stopped_gradient_is_freezing_to_the_last_bit(optimizer: Callable[..., Any]) -> None:
    """Without batch norm and dropout, which a stopped gradient leaves in training mode."""
    states = [learned(kind, *on, optimizer=optimizer) for kind, on in ((Stopped, ()), (DenseNet, (lowest_frozen(),)))]
    untrained = learned(DenseNet, optimizer=optimizer, steps=0)
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
        assert torch.equal(value, untrained[name]) == name.startswith("hidden_layers.0."), name


def test_a_stopped_gradient_leaves_batch_norm_in_training_and_freezing_does_not() -> None:
    sgd, name = partial(torch.optim.SGD, lr=0.1), "hidden_layers.0.norm.running_mean"
    stopped, frozen = (
        learned(kind, *on, optimizer=sgd, norm="batch") for kind, on in ((Stopped, ()), (DenseNet, (lowest_frozen(),)))
    )
    assert stopped[name].all()
    assert not frozen[name].any()


def lowest_frozen() -> Frozen:
    return Frozen(["hidden_layers.0.*"])


def learned(kind: type, *techniques: Frozen, optimizer: Any, steps: int = 5, **net: Any) -> dict[str, Tensor]:
    """Return the state of two seeds after some steps by autograd."""
    sized = {"hidden": [9, 8], "num_outputs": 4, **net}
    module = make(kind, Classification(), (6,), sized, [3, 7], *techniques, optimizer=optimizer, fast=False)
    made, g = module.make_optimizer(), torch.Generator().manual_seed(0)
    for _ in range(steps):
        module.learn((torch.randn(2, 10, 6, generator=g), torch.randint(4, (2, 10), generator=g)), made)
    return {name: value.clone() for name, value in module.replicas.stacked_state().items()}
