"""Layer-wise learning rates: a share of every step, for every optimizer; and the table of frozen layers."""

from pathlib import Path

import pytest
import torch
from commands import SMOKE, compose, typed
from torch import nn

from dnnx.basics.errors import UserError
from dnnx.runs.tensors import load_tensors
from dnnx.techniques.frozen_table import parts
from dnnx.techniques.layer_rates import LayerRates
from dnnx.train import train

ONE_STEP = ["trainer.max_epochs=1", "data.batch_size=500", "seeds=2"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_layer_takes_its_share_of_a_step(tmp_path: Path, optimizer: str) -> None:
    words = [*SMOKE, f"optimizer={optimizer}", *ONE_STEP]
    rates = ["+technique=layer_rates", "techniques.layer_rates.factors={hidden_layers.0.*: 0.25}"]
    for name, more in (("plain", []), ("slow", rates), ("start", ["optimizer.lr=1e-12"])):
        train(compose(*words, *more), tmp_path / name)
    plain, slow, start = (load_tensors(tmp_path / name / "model.safetensors") for name in ("plain", "slow", "start"))
    for name in plain:
        factor = 0.25 if name.startswith("hidden_layers.0.") else 1
        expected = start[name] + factor * (plain[name] - start[name])
        torch.testing.assert_close(slow[name], expected, rtol=1e-4, atol=1e-6)


def test_a_pattern_that_matches_nothing_is_one_line(tmp_path: Path) -> None:
    words = ["+exp=dense5", "+debug=smoke", "+technique=layer_rates", "techniques.layer_rates.factors={nothing.*: 0.1}"]
    code, said = typed("train", *words, f"paths.outputs={tmp_path}", cwd=tmp_path)
    assert code == 2
    assert "nothing.*" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("factor", [0, 1, -0.1, "fast"])
def test_a_factor_that_is_no_share_is_one_line(factor: float) -> None:
    with pytest.raises(UserError, match=rf"factors\.units\.\*={factor}: a number between 0 and 1"):
        LayerRates({"units.*": factor})


def test_the_table_names_the_largest_parts_of_one_state() -> None:
    lower, upper = (nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)) for _ in range(2))
    net = nn.Sequential(lower, upper)
    for p in [*lower.parameters(), *upper[0].parameters()]:
        p.requires_grad_(False)
    found = [(name, state) for name, _, state in parts(net)]
    assert found == [("0", "frozen"), ("1.0", "frozen"), ("1.1", "trained")]
    assert [name for name, *_ in parts(nn.Linear(2, 2))] == ["the net"]
