"""The files of examples/ keep their promises: seeds together as alone, exact resume, reports, plain weights."""

import json
import os
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import command, measured, typed
from safetensors.torch import load_file, save_file

from dnnx.runs.files import read_json
from dnnx.runs.read import read_run

EXAMPLES = Path(__file__).parents[2] / "examples"
DIGITS = ["data=mnist", "data.source=digits", "data.batch_size=64"]
TYPED = {
    "conv": ["net._target_=small_conv.SmallConv", "net.width=4", *DIGITS],
    "residual": ["net._target_=residual_mlp.ResidualMLP", "net.width=12", *DIGITS],
    "lstm": ["net._target_=lstm_rows.RowLSTM", "net.hidden=8", "optimizer.lr=3e-3", *DIGITS],
    "digit_data": ["data._target_=digit_data.DigitData", "net.hidden=[12]"],
}
QUIET = ["trainer.accelerator=cpu"]
KILLED = """
import os, signal
from dnnx.training.module import ReplicaModule
begin = ReplicaModule.on_train_epoch_start
def dying(self):
    if self.current_epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    begin(self)
ReplicaModule.on_train_epoch_start = dying
"""


@pytest.fixture(autouse=True)
def beside_the_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of the examples is found as if the command were typed in their folder."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(EXAMPLES), os.environ.get("PYTHONPATH", "")]))


def run(folder: Path, *typed: str, epochs: int = 2, before: str = "") -> Path:
    """Train by the command, and return the run folder."""
    folder.mkdir(exist_ok=True)
    words = [*typed, *QUIET, f"trainer.max_epochs={epochs}", f"paths.outputs={folder}", "name=run"]
    done = command("train", *words, cwd=folder, before=before)
    assert done.returncode == (-9 if before else 0), done.stderr
    return max((folder / "run").glob("2*"))


def results(folder: Path) -> dict:
    return read_json(folder / "results.json")


@pytest.mark.slow
@pytest.mark.parametrize("name", TYPED)
def test_five_seeds_train_at_once_and_each_is_that_seed_alone(name: str, tmp_path: Path) -> None:
    among, alone = (run(tmp_path / part, *TYPED[name], seeds) for part, seeds in (("a", "seeds=5"), ("b", "seeds=[3]")))
    assert results(among)["seeds"] == [0, 1, 2, 3, 4]
    states = load_file(among / "model.safetensors"), load_file(alone / "model.safetensors")
    for key, value in states[1].items():
        torch.testing.assert_close(states[0][key][3], value[0], rtol=1e-3, atol=1e-4)
    assert results(among)["test/loss"][3] == pytest.approx(results(alone)["test/loss"][0], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", TYPED)
def test_a_run_that_is_killed_ends_with_the_same_bits(name: str, tmp_path: Path) -> None:
    typed = [*TYPED[name], "seeds=2", "callbacks.checkpoint.every_s=0"]
    whole = run(tmp_path / "whole", *typed, epochs=4)
    torn = run(tmp_path / "torn", *typed, epochs=4, before=KILLED)
    assert not (torn / "results.json").exists()
    package = "digit_data" if name == "digit_data" else TYPED[name][0].partition("=")[2].split(".")[0]
    done = command("train", f"resume={torn}", f"packages=[{package}]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert measured(results(torn)) == measured(results(whole))
    assert (torn / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["conv", "lstm"])
def test_each_seed_stops_early_by_itself(name: str, tmp_path: Path) -> None:
    typed = [*TYPED[name], "seeds=3", "callbacks.early_stopping.patience=1", "optimizer.lr=0.1"]
    last = results(run(tmp_path, *typed, epochs=30))["epoch/last"]
    assert all(epoch < 30 for epoch in last)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["conv", "residual", "lstm"])
def test_a_study_of_it_and_a_baseline_ends_in_a_verdict(name: str, tmp_path: Path) -> None:
    typed = [f"+exp={name}", "data.source=digits", "seeds=2", "trainer.max_epochs=1", "jobs=1", *QUIET]
    done = command("train", "--config-dir", str(EXAMPLES), *typed, f"paths.outputs={tmp_path}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search("own (is|and dense|is more|is less)", done.stdout.replace("\n", " "))
    assert (max((tmp_path / name).glob("2*")) / "report.html").is_file()


@pytest.mark.slow
def test_a_regression_on_a_table_is_reported_in_its_own_metrics(tmp_path: Path) -> None:
    root = Path(os.environ.get("DNNX_DATA_DIR") or Path(__file__).parents[3] / "shared" / "data")
    if not (root / "tabular" / "california_housing_sklearn8.csv.gz").exists():
        pytest.skip("California housing is absent: set DNNX_DATA_DIR to the folder that holds tabular/")
    typed = ["+exp=houses", "jobs=1", "seeds=5", "trainer.max_epochs=2", f"paths.data={root}", *QUIET]
    done = command("train", "--config-dir", str(EXAMPLES), *typed, f"paths.outputs={tmp_path}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    wide = results(max((tmp_path / "houses").glob("2*")) / "wide")
    assert len(wide["test/mae"]) == 5
    assert wide["about"]["test/mae"]["better"] == "lower"
    assert all(0 < mae < 1 for mae in wide["test/mae"])


@pytest.mark.parametrize("name", ["conv", "residual", "lstm"])
def test_the_weights_are_those_of_the_plain_network(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run(tmp_path, *TYPED[name], "seeds=2")
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    import lstm_rows
    import residual_mlp
    import small_conv

    nets = {
        "conv": lambda: small_conv.SmallConv((1, 8, 8), 10, width=4),
        "residual": lambda: residual_mlp.ResidualMLP((1, 8, 8), 10, width=12),
        "lstm": lambda: lstm_rows.RowLSTM((1, 8, 8), 10, hidden=8),
    }
    net = nets[name]()
    state = load_file(folder / "model.safetensors")
    net.load_state_dict({key: state[key][1] for key in net.state_dict()})
    predictions = load_file(folder / "predictions.safetensors")
    images = read_images()
    right = (net.eval()(images).argmax(1) == predictions["labels"]).double().mean().item()
    assert right == pytest.approx(results(folder)["test/accuracy"][1], abs=1e-9)


def read_images() -> torch.Tensor:
    """Return the test images of the bundled digits, float [N, 1, 8, 8]."""
    from dnnx.data.sources.digits import load

    return torch.from_numpy(load(Path()).test_images).float() / 255


CONV = ["net._target_=small_conv.SmallConv", "net.width=4", *DIGITS, "seeds=2"]


@pytest.mark.parametrize(
    ("typed", "shows"),
    [
        (["+technique=pruning", "techniques.pruning.sparsity=0.5", "techniques.pruning.until_epoch=1"], "sparsity"),
        (["+technique=penalty", "techniques.penalty.l1=1e-4", "techniques.penalty.l2=1e-4"], "train,penalty"),
        (["+technique=[max_norm,clipping]", "techniques.clipping.norm=0.1"], "train,clipped"),
        (["mc_dropout=3"], "mc/nll"),
    ],
)
def test_techniques_are_at_work_on_the_convnet(typed: list[str], shows: str, tmp_path: Path) -> None:
    folder = run(tmp_path, *CONV, *typed)
    written = (folder / "metrics.csv").read_text() + json.dumps(results(folder))
    assert shows in written


def test_the_layers_of_a_convnet_are_watched(tmp_path: Path) -> None:
    folder = run(tmp_path, *CONV, "callbacks=layer_statistics", epochs=1)
    written = (folder / "metrics.csv").read_text().splitlines()
    for layer in ("conv1", "conv2"):
        for epoch in (0, 1):
            assert len([row for row in written if row.startswith(f"{epoch},{layer},equal_units,")]) == 2
    assert read_run(folder, "run").hidden_layers == {"run": ["conv1", "conv2"]}


@pytest.mark.slow
def test_a_convnet_starts_from_another_with_frozen_layers(tmp_path: Path) -> None:
    backbone = run(tmp_path / "backbone", *CONV)
    typed = ["+technique=pretrained", f"backbone={backbone}", "packages=[small_conv]"]
    frozen = ["techniques.pretrained.frozen=['conv1.*','norm1.*']"]
    folder = run(tmp_path / "run", *CONV, *typed, *frozen)
    before, after = load_file(backbone / "model.safetensors"), load_file(folder / "model.safetensors")
    assert torch.equal(after["conv1.weight"], before["conv1.weight"])
    assert torch.equal(after["norm1.running_mean"], before["norm1.running_mean"])
    assert not torch.equal(after["conv2.weight"], before["conv2.weight"])
    words = [*CONV, *typed, *frozen, "techniques.pretrained.cached=true", *QUIET, f"paths.outputs={tmp_path}"]
    refused = command("train", *words, cwd=tmp_path)
    assert refused.returncode == 2
    assert "forward has no start and stop" in refused.stderr


def keras_arrays(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Return the first seed's weights of a convnet of width 4 by the names and in the layout of Keras."""
    parts = {"running_mean": "moving_mean", "running_var": "moving_variance"}
    arrays = {}
    for name, values in state.items():
        layer, part = name.split(".")
        value = values[0]
        if layer == "output" and part == "weight":  # Keras flattens [height, width, channels]
            value = value.unflatten(1, (8, 2, 2)).movedim(1, 3).flatten(1)
        if part == "weight" and layer != "norm1":
            value, part = value.movedim((0, 1), (-1, -2)), "kernel"
        if layer != "dropout" and part != "num_batches_tracked":
            of_norm = {"weight": "gamma", "bias": "beta", **parts} if layer == "norm1" else {}
            arrays[f"{layer}/{of_norm.get(part, part)}"] = value.numpy()
    return arrays


def test_the_weights_of_a_convnet_are_imported_from_torch_and_from_keras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    words = [*CONV[:-1], *QUIET, f"paths.outputs={tmp_path}"]
    assert typed("train", *words, "seeds=1", "name=run", "trainer.max_epochs=1", cwd=tmp_path) == (0, "")
    folder = tmp_path / "run" / "latest"
    state = load_file(folder / "model.safetensors")
    save_file({name: value[0].clone() for name, value in state.items()}, tmp_path / "torch.safetensors")
    np.savez(tmp_path / "keras.npz", **keras_arrays(state))  # type: ignore[arg-type]
    for name, more in (("torch.safetensors", []), ("keras.npz", ["epsilon=1e-5"])):
        assert typed("import_weights", *words, f"weights={tmp_path / name}", *more, cwd=tmp_path) == (0, "")
        found = results(tmp_path / "imported" / "latest")
        assert found["test/loss"][0] == pytest.approx(results(folder)["test/loss"][0], rel=1e-5)


@pytest.mark.slow
def test_layers_that_are_trained_one_after_the_other_keep_those_below_them(tmp_path: Path) -> None:
    small = ["data.source=digits", "seeds=2", "trainer.max_epochs=2", "jobs=1", "report=false"]
    widths = {"layer1": "[7]", "layer2": "[7,6]", "layer3": "[7,6,5]"}
    text = (EXAMPLES / "exp" / "greedy.yaml").read_text().replace("trainer.max_epochs=20", "trainer.max_epochs=2")
    for width, own in zip(("[100,100,100]", "[100,100]", "[100]"), reversed(widths.values()), strict=True):
        text = text.replace(width, own)
    (tmp_path / "exp").mkdir()
    text = text.replace("val_per_class: 100", "val_per_class: 10").replace("[100, 100, 100]", "[7,6,5]")
    (tmp_path / "exp" / "greedy.yaml").write_text(text)
    words = ["--config-dir", str(tmp_path), "+exp=greedy", *small, *QUIET, f"paths.outputs={tmp_path}"]
    code, said = typed("train", *words, cwd=tmp_path)
    assert code == 0, said
    study = tmp_path / "greedy" / "latest"
    layers = [load_file(study / arm / "model.safetensors") for arm in (*widths, "greedy")]
    for depth, (below, above) in enumerate(pairwise(layers[:3]), 1):
        for place in range(depth):
            name = f"hidden_layers.{place}.linear.weight"
            assert torch.equal(above[name], below[name])
        assert f"hidden_layers.{depth}.linear.weight" in above
    assert not torch.equal(layers[3]["hidden_layers.0.linear.weight"], layers[2]["hidden_layers.0.linear.weight"])
    assert "test/accuracy" in results(study / "greedy")
    assert "test/accuracy" not in results(study / "layer3")


def test_rare_digits_are_rare_in_training_and_not_in_the_test_set(tmp_path: Path) -> None:
    words = ["net.hidden=[8]", "data.source=digits", "data._target_=rare_digits.RareDigits", "+data.share=0.1"]
    folder = run(tmp_path, *words, "seeds=2", "+technique=output_bias", "optimizer.lr=1e-12", epochs=1)
    bias = load_file(folder / "model.safetensors")["output.bias"].exp()
    assert bias.sum(1).tolist() == pytest.approx([1, 1])
    assert bias[0, 1:].tolist() == pytest.approx([0.1 / 1.4] * 4, rel=0.15)
    sizes = read_json(folder / "data.json")["sizes"]
    assert sizes["test"] > sizes["val"]
