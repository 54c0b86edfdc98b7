"""Run folders of before tasks and techniques were groups: they load, and the older keys are told in today's names."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import SMOKE, compose, typed

from dnnx.evaluate import evaluate
from dnnx.runs.legacy import modernized
from dnnx.runs.read import read_run
from dnnx.train import train

# The group `module` of an older run folder, by its class.
PLAIN: dict[str, Any] = {
    "l1": 0.0, "l2": 0.0, "max_norm": None, "clip_norm": None, "clip_value": None, "label_smoothing": 0.0,
    "sparsity": None, "prune_below": None, "prune_until": None, "prune_from": None,
}  # fmt: skip


def older(folder: Path, kind: str, **on: Any) -> None:
    """Give the config and results of a run folder the form that they had."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    for key in ("task", "techniques", "module", "replicas", "packages", "metrics", "mc_dropout"):
        config.pop(key, None)
    config["net"].pop("_target_")
    config["module"] = {"_target_": f"dnnx.modules.{kind.lower()}.{kind}", **PLAIN, **on}
    config["optimizer"]["_target_"] = "dnnx.fused_adam.FusedAdam"
    for callback in config["callbacks"].values():
        callback["_target_"] = callback["_target_"].replace("dnnx.training.callbacks.", "dnnx.callbacks.")
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    results = json.loads((folder / "results.json").read_text())
    results.pop("about", None)
    (folder / "results.json").write_text(json.dumps(results))


RUNS: dict[str, tuple[list[str], str, dict[str, Any]]] = {
    "plain": ([], "Classifier", {}),
    "pruned": (
        ["+technique=[penalty,pruning]", "techniques.penalty.l2=1e-4", "techniques.pruning.sparsity=0.5",
         "techniques.pruning.until_epoch=2"],
        "Classifier", {"l2": 1e-4, "sparsity": 0.5, "prune_until": 2},
    ),
    "pairs": (["data=mnist_pairs", "data.source=digits", "task=pairs", "net=twin_tower"], "Pairs", {}),
    "autoencoder": (["task=reconstruction", "net=autoencoder"], "Autoencoder", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_an_older_run_folder_is_evaluated_and_read(name: str, tmp_path: Path) -> None:
    overrides, kind, on = RUNS[name]
    results = train(compose(*SMOKE, *overrides, "net.hidden=[12,10]", "trainer.max_epochs=2"), tmp_path / "run")
    older(tmp_path / "run", kind, **on)
    again = evaluate(compose(f"run={tmp_path / 'run'}", name="evaluate"))
    assert again["test/loss"] == pytest.approx(results["test/loss"], rel=1e-6)
    run = read_run(tmp_path / "run", "run")
    assert (run.missing, run.broken, run.seeds) == ([], [], [0, 1])


def test_an_older_run_folder_is_a_backbone(tmp_path: Path) -> None:
    train(compose(*SMOKE, "net.hidden=[12,10]"), tmp_path / "run")
    older(tmp_path / "run", "Classifier")
    from_it = ["+technique=pretrained", f"backbone={tmp_path / 'run'}", "net=backbone", "seeds=2"]
    cfg = compose(*SMOKE, *from_it, "techniques.pretrained.frozen=['hidden_layers.0.*']")
    results = train(cfg, tmp_path / "transfer")
    assert results["params/trainable"][0] < results["params/total"][0]


def test_an_older_run_folder_takes_more_epochs(tmp_path: Path) -> None:
    train(compose(*SMOKE, "net.hidden=[12,10]", "trainer.max_epochs=1"), tmp_path / "run")
    older(tmp_path / "run", "Classifier")
    path = tmp_path / "run" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    for newer in ("monitor", "monitor_mode", "logger", "jobs", "shard"):
        config.pop(newer, None)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    words = [f"resume={tmp_path / 'run'}", "trainer.max_epochs=2"]
    assert typed("train", *words, cwd=tmp_path) == (0, "")
    assert read_run(tmp_path / "run", "run").results["epoch/last"] == [2, 2]


def test_an_older_run_folder_takes_more_seeds(tmp_path: Path) -> None:
    train(compose(*SMOKE, "net.hidden=[12,10]"), tmp_path / "run")
    older(tmp_path / "run", "Classifier")
    assert typed("train", f"resume={tmp_path / 'run'}", "seeds=3", cwd=tmp_path) == (0, "")
    run = read_run(tmp_path / "run", "run")
    assert (run.missing, run.broken, run.seeds) == ([], [], [0, 1, 2])
    assert run.values("test/accuracy").notna().all()


def test_a_config_of_today_is_as_it_was() -> None:
    cfg = compose(*SMOKE)
    assert modernized(cfg) is cfg


@pytest.mark.parametrize(
    ("older_key", "says"),
    [
        ("module.l1=1e-4", "module.l1: type +technique=penalty techniques.penalty.l1=..."),
        ("module.prune_until=3", "module.prune_until: type +technique=pruning techniques.pruning.until_epoch=..."),
        ("module.backbone=a", "module.backbone: type +technique=pretrained backbone=..."),
        ("module=transfer", "module=transfer: type +technique=pretrained"),
        ("module=pairs", "module=pairs: type task=pairs net=twin_tower"),
        ("techniques.penalty.l1=1", "techniques.penalty.l1: type +technique=penalty techniques.penalty.l1=..."),
    ],
)
def test_an_older_key_is_one_line_with_today_s(older_key: str, says: str, tmp_path: Path) -> None:
    code, said = typed("train", *SMOKE, older_key, cwd=tmp_path)
    assert code == 2
    assert said.startswith(f"error: {says}")
    assert said.count("\n") == 1
