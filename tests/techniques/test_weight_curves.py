"""Weight curves: metrics.csv holds every weight of every epoch, and the figures show them with the boundaries."""

from pathlib import Path

import pytest
from commands import compose
from safetensors.numpy import load_file

from dnnx.basics.errors import UserError
from dnnx.reports.figures import boundary, weights
from dnnx.runs.read import read_run, read_study
from dnnx.train import train

GIVEN = ["data=truth_table", "data.table=and", "task=binary", "net=linear", "net.weights=[10]", "net.biases=[10]"]
FEW = ["optimizer=sgd", "optimizer.lr=1", "trainer.max_epochs=3", "seeds=2", "~callbacks.progress"]


def test_the_weights_of_each_epoch_are_recorded_and_drawn(tmp_path: Path) -> None:
    train(compose(*GIVEN, *FEW, "+technique=weight_curves"), tmp_path / "run")
    run = read_run(tmp_path / "run", "and")
    assert run.curves("weights") == ["layers.0.weight.0", "layers.0.weight.1", "layers.0.bias.0"]
    curve = run.curve("weights", "layers.0.bias.0")[0]
    assert curve.tolist() == pytest.approx([9.25, 8.5, 7.75], abs=1e-3)  # the published table: 10, 9.25, 8.5
    last = load_file(tmp_path / "run" / "model.safetensors")
    assert curve.iloc[-1] == pytest.approx(last["layers.0.bias"][0, 0])
    study = read_study([tmp_path / "run"])
    for figure in (weights, boundary):
        [drawing] = figure.plan(study)
        assert drawing.fits()
        assert drawing.draw().axes


def test_a_large_net_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"techniques\.weight_curves=.*: the network has more than 200 weights"):
        train(compose("data.source=digits", *FEW, "+technique=weight_curves"), tmp_path / "run")
