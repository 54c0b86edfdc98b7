"""Frozen layers of a net that brings its own weights: they stay, batch statistics too, and a wrong pattern is named."""

from pathlib import Path

import pytest
import torch
from commands import SMOKE, compose

from dnnx.basics.errors import UserError
from dnnx.runs.tensors import load_tensors
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
