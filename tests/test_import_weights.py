"""Importing leaves a run folder like any other: it evaluates to its own numbers, compares, and is a backbone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import SMOKE, command, compose
from tiny_backbone import transfer

from dnnx.basics.errors import UserError
from dnnx.evaluate import evaluate
from dnnx.import_weights import import_weights
from dnnx.runs.tensors import load_tensors
from dnnx.train import train

NET = ["net.hidden=[12,11]", "net.norm=batch", "net.activation=relu"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs") / "run"
    train(compose(*SMOKE, *NET, "trainer.max_epochs=2"), folder)
    return folder


@pytest.fixture(scope="module")
def imported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two networks of `trained` as two files in Keras' names, come back."""
    folder = tmp_path_factory.mktemp("imported")
    state = load_tensors(trained / "model.safetensors")
    keras = {"running_mean": "moving_mean", "running_var": "moving_variance"}
    for seed in (0, 1):
        arrays: dict[str, Any] = {}
        for name, value in state.items():
            layer, _, part = name.rpartition(".")
            of_norm = {"weight": "gamma", "bias": "beta", **keras} if "norm" in layer else {"weight": "kernel"}
            if part != "num_batches_tracked":
                own = value[seed].numpy()
                arrays[f"{layer.replace('.', '_')}/{of_norm.get(part, part)}"] = own.T if own.ndim == 2 else own
        np.savez(folder / f"{seed}.npz", **arrays)  # type: ignore[arg-type]
    files = ",".join(str(folder / f"{seed}.npz") for seed in (0, 1))
    cfg = compose(*NET, "data.source=digits", f"weights=[{files}]", "epsilon=1e-5", name="import_weights")
    import_weights(cfg, folder / "run")
    return folder / "run"


def test_an_imported_network_has_the_results_of_its_source(trained: Path, imported: Path) -> None:
    there, here = (json.loads((folder / "results.json").read_text()) for folder in (trained, imported))
    same = [name for name in here if name.startswith(("test/", "val/", "train/", "ensemble/", "params/"))]
    assert len(same) > 10
    assert {name: here[name] for name in same} == {name: there[name] for name in same}
    assert here.keys() == there.keys()
    before, after = (load_tensors(folder / "model.safetensors") for folder in (trained, imported))
    assert all(torch.equal(after[name], v) for name, v in before.items() if not name.endswith("num_batches_tracked"))


def test_an_imported_run_evaluates_to_its_own_numbers(imported: Path) -> None:
    saved = json.loads((imported / "results.json").read_text())
    measured = evaluate(compose(f"run={imported}", name="evaluate"))
    assert {name: saved[name] for name in measured} == measured


def test_an_imported_run_is_a_backbone(imported: Path, tmp_path: Path) -> None:
    frozen = "techniques.pretrained.frozen=['hidden_layers.*']"
    train(compose(*transfer(imported, frozen, "trainer.max_epochs=1")), tmp_path / "run")
    before, after = (load_tensors(folder / "model.safetensors") for folder in (imported, tmp_path / "run"))
    name = "hidden_layers.0.linear.weight"
    assert torch.equal(after[name], before[name])


def test_an_imported_run_is_reported_beside_others(trained: Path, imported: Path, tmp_path: Path) -> None:
    done = command("compare", str(trained), str(imported), "--out", str(tmp_path / "report"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_command_says_where_each_array_went_and_a_mistake_leaves_nothing(imported: Path, tmp_path: Path) -> None:
    given = [*NET, "data.source=digits", f"weights={imported.parent / '0.npz'}"]
    done = command("import_weights", *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "output.weight (5, 11) <- output/kernel (11, 5)" in done.stdout
    assert (tmp_path / "outputs" / "imported" / "latest" / "results.json").is_file()
    done = command("import_weights", *given, "net.hidden=[12]", "paths.outputs=elsewhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "it lacks nothing, and has no place for hidden_layers_1_linear/kernel" in done.stderr
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("weights=[]", "weights=[]: a file of weights, such as model.npz, or a list of them"),
        ("map=a", "map=a: a mapping"),
        ("fresh=output.*", "fresh=output.*: a list of text"),
        ("epsilon=0", "epsilon=0: a small number above 0"),
        ("+sedes=3", "sedes: there is no such key"),
    ],
)
def test_weights_that_cannot_be_imported_are_a_one_line_error(override: str, says: str, tmp_path: Path) -> None:
    overrides = [override] if override.startswith("weights") else ["weights=a.npz", override]
    with pytest.raises(UserError) as error:
        import_weights(compose(*overrides, name="import_weights"), tmp_path)
    assert says in str(error.value)
    assert not list(tmp_path.iterdir())
