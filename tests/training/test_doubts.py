"""A softmax or sigmoid in front of a loss that applies one is noticed before training; nothing else is doubted."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import typed
from torch import Tensor, nn

from dnnx.nets.dense import DenseNet
from dnnx.tasks.binary import Binary
from dnnx.tasks.classification import Classification
from dnnx.tasks.regression import Regression
from dnnx.tasks.segmentation import Segmentation
from dnnx.tasks.task import Task
from dnnx.training.doubts import doubt_of, ending, unreached
from dnnx.training.module import ReplicaModule

SEEDS = [3, 7]


class Ends(nn.Module):
    """A linear layer, then `function`."""

    def __init__(self, width: int, function: str):
        super().__init__()
        self.layer, self.function = nn.Linear(6, width), function

    def forward(self, x: Tensor) -> Tensor:
        out = self.layer(x)
        if self.function == "by_hand":
            return out.exp() / out.exp().sum(1, keepdim=True)
        return {
            "softmax": lambda: out.softmax(1),
            "sigmoid": lambda: out.sigmoid(),
            "squeezed": lambda: out.sigmoid().squeeze(1),
            "log_softmax": lambda: out.log_softmax(1),
            "tanh": lambda: out.tanh().abs(),
            "logits": lambda: out,
        }[self.function]()


class OwnLoss(Classification):
    """Takes probabilities, as its author knows."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return -outputs.gather(1, y[:, None])[:, 0].log()


def doubt(task: Task, width: int, function: str) -> str:
    module = ReplicaModule(partial(Ends, width, function), task, SEEDS, (6,))
    return doubt_of(module, torch.randn(8, 6, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("task", "width", "function", "found"),
    [
        (Classification(), 4, "softmax", "softmax"),
        (Classification(), 4, "by_hand", "softmax"),
        (Classification(), 4, "sigmoid", "sigmoid"),
        (Binary(), 1, "sigmoid", "sigmoid"),
        (Binary(), 1, "squeezed", "sigmoid"),
        (Classification(), 4, "logits", ""),
        (Classification(), 4, "log_softmax", ""),
        (Classification(), 4, "tanh", ""),
        (Binary(), 1, "logits", ""),
        (OwnLoss(), 4, "softmax", ""),
        (Regression(), 4, "sigmoid", ""),
    ],
)
def test_only_probabilities_in_front_of_a_loss_of_logits_are_doubted(
    task: Task, width: int, function: str, found: str
) -> None:
    told = doubt(task, width, function)
    assert bool(told) == bool(found)
    if found:
        assert told.startswith("net=Ends: its outputs are probabilities, as ")
        assert f"Delete the {found} at the end of forward (" in told
        assert "test_doubts.py, line " in told
        assert "\n" not in told


def test_a_net_of_dnnx_is_not_doubted() -> None:
    class Softened(DenseNet):
        def forward(self, x: Tensor, *more: Any, **named: Any) -> Any:
            out: Any = super().forward(x, *more, **named)
            return out.softmax(-1)

    Softened.__module__ = "dnnx.nets.dense"
    build = partial(Softened, (6,), [5], num_outputs=4)
    module = ReplicaModule(build, Classification(), SEEDS, (6,))
    assert doubt_of(module, torch.randn(8, 6)) == ""


def test_maps_of_classes_are_looked_at_along_their_classes() -> None:
    maps = torch.randn(2, 3, 4, 4)
    assert ending(maps.softmax(1)) == ending(maps.softmax(-1)) == "softmax"
    assert ending(maps) == ending(torch.ones(4, 1) / 2) == ""
    assert Segmentation.takes_logits


@pytest.mark.parametrize("end", ["softmax(1)", "mul(1)"])
def test_a_run_warns_before_its_first_epoch(end: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "from torch import nn\n\n\nclass Soft(nn.Module):\n    def __init__(self, in_shape, num_outputs):\n"
        "        super().__init__()\n        self.fc = nn.Linear(64, num_outputs)\n\n    def forward(self, x):\n"
        f"        return self.fc(x.flatten(1)).{end}\n"
    )
    name = f"soft_{len(end)}"
    (tmp_path / f"{name}.py").write_text(code)
    few = ["data.source=digits", "seeds=2", "trainer.max_epochs=1", "~callbacks.progress"]
    assert typed("train", f"net._target_={name}.Soft", *few, cwd=tmp_path) == (0, "")
    told = "WARNING: net=Soft: its outputs are probabilities, as every row lies in [0, 1] and sums to 1."
    said = " ".join(capsys.readouterr().out.split())
    assert (told in said) == (end == "softmax(1)")
    assert (f"Delete the softmax at the end of forward ({name}.py, line 9)" in said) == (end == "softmax(1)")
    assert "no fast step" not in said


class Beside(nn.Module):
    """Two layers, of which `use` decides how the first is taken."""

    def __init__(self, use: str):
        super().__init__()
        self.body, self.layer, self.use = nn.Linear(6, 6), nn.Linear(6, 4), use
        self.body.requires_grad_(use != "frozen")

    def forward(self, x: Tensor) -> Tensor:
        if self.use == "no_grad":
            with torch.no_grad():
                x = self.body(x)
            return self.layer(x)
        return self.layer(x if self.use in ("unused", "frozen") else self.body(x))


@pytest.mark.parametrize(("use", "is_told"), [("no_grad", True), ("unused", True), ("frozen", False), ("used", False)])
def test_parameters_that_get_no_gradient_are_named(use: str, is_told: bool) -> None:
    module = ReplicaModule(partial(Beside, use), Classification(), SEEDS, (6,))
    state = torch.get_rng_state()
    told = unreached(module, torch.randn(8, 6, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), state)
    assert told.startswith("net=Beside: no gradient reaches body.weight, body.bias (2 of 4 parameters)") is is_told
    assert bool(told) is is_told
