"""Tuning of a user's own code: a net by its own keys, a LightningModule by trainings on its own validation data."""

import json
import re
import shutil
from pathlib import Path

import optuna
import pytest
import yaml
from commands import typed

from dnnx.tuning.book import open_storage

EXAMPLES = Path(__file__).parents[2] / "examples"
CONV = ["net._target_=small_conv.SmallConv", "data=mnist", "data.source=digits", "data.batch_size=64"]
MODULE = ["module._target_=lightning_module.DigitsLitModule", "data._target_=lightning_module.DigitsDataModule"]
SHORT = ["trainer.accelerator=cpu", "folds=2", "seeds=1", "name=own", "~callbacks.progress"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the files of examples/, as a user's project would have them."""
    for path in EXAMPLES.glob("*.py"):
        shutil.copy(path, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def tune(project: Path, *words: str, space: dict[str, str]) -> tuple[int, str]:
    """Tune in `project`; return the exit code and stderr."""
    inner = ",".join(f"{key}: {text!r}" for key, text in space.items())
    return typed("tune", *SHORT, *words, f"+space={{{inner}}}", cwd=project)


def trials(project: Path) -> list[optuna.trial.FrozenTrial]:
    storage = open_storage(None, project / "outputs/tune/own")
    return optuna.load_study(study_name="own", storage=storage).trials


def test_a_net_of_the_users_is_tuned_by_its_own_keys(project: Path) -> None:
    (project / "sweep").mkdir()
    (project / "sweep/conv.yaml").write_text(
        "# @package _global_\nspace:\n  net.width: choice(3,4)\n  net.dropout: interval(0,0.3)\n"
    )
    words = [*CONV, "--config-dir", ".", "+sweep=conv", "trainer.max_epochs=1", "n_trials=2"]
    assert typed("tune", *SHORT, *words, cwd=project) == (0, "")
    best = yaml.safe_load((project / "outputs/tune/own/best.yaml").read_text())
    [folder] = (project / "outputs/tune/own").glob("trial_*")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert best == {"net.width": config["net"]["width"], "net.dropout": config["net"]["dropout"]}
    assert config["net"]["_target_"] == "small_conv.SmallConv"
    assert (folder / "results.json").exists()


@pytest.mark.slow
def test_a_lightning_module_is_tuned_on_its_own_validation_data(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = {"module.lr": "tag(log,interval(1e-3,1e-2))", "module.hidden": "choice(8,32)"}
    words = [*MODULE, "trainer.max_epochs=3", "n_trials=2", "pruner=none"]
    assert tune(project, *words, space=space) == (0, "")
    said = capsys.readouterr().out
    assert "2 trials of 2 seeds" in said
    assert "300 validation examples as the module has them, since folds cannot be made of them" in said
    found = trials(project)
    for trial in found:
        assert trial.value == pytest.approx(sum(trial.user_attrs["acc"]) / 2)
        assert len(set(trial.user_attrs["loss"])) == 2, "each seed is a training of its own"
        assert len(trial.intermediate_values) == 3
        assert trial.intermediate_values[3] == trial.user_attrs["acc"][0], "the first seed's curve is reported"
    best = max(found, key=lambda trial: trial.value or 0)
    folder = project / f"outputs/tune/own/trial_{best.number}"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["module"]["lr"] == best.params["module.lr"]
    assert "net" not in config
    assert "test/acc" in json.loads((folder / "results.json").read_text())
    assert "on the module's own validation data" in (project / "outputs/tune/own/report.md").read_text()


def test_a_trial_of_a_lightning_module_scores_what_its_training_logs(project: Path) -> None:
    words = [*MODULE, "trainer.max_epochs=2", "n_trials=1", "fold_seed=0", "folds=1", "objective=loss"]
    assert tune(project, *words, space={"module.hidden": "choice(8)"}) == (0, "")
    [trial] = trials(project)
    results = json.loads((project / "outputs/tune/own/trial_0/results.json").read_text())
    assert trial.value == results["val/loss"][0]


def test_a_seed_of_a_lightning_module_that_diverges_fails_the_trial(project: Path) -> None:
    words = [*MODULE, "trainer.max_epochs=2", "n_trials=1", "module.lr=1e30"]
    code, said = tune(project, *words, space={"module.hidden": "choice(8)"})
    assert (code, "no trial was completed" in said) == (2, True), said
    assert re.match(r"diverged: val/loss of seed [01] was not finite in epoch", trials(project)[0].user_attrs["reason"])


@pytest.mark.parametrize(
    ("words", "space", "told"),
    [
        (CONV, {"net.widht": "choice(3,4)"}, "net.widht: there is no such key; did you mean net.width?"),
        (MODULE, {"module.hiden": "choice(3,4)"}, "module.hiden: there is no such key; did you mean module.hidden?"),
        (MODULE, {"optimizer.lr": "choice(1,2)"}, "optimizer.lr=1: it is not read: module._target_="),
        ([*MODULE, "net.hidden=[3]"], {"module.hidden": "choice(3,4)"}, "net.hidden=[3]: it is not read"),
        ([*MODULE, "objective=lss"], {"module.hidden": "choice(3,4)"}, "choose one of acc, acc_best, loss"),
    ],
)
def test_a_slip_is_one_line_before_a_study_exists(
    words: list[str], space: dict[str, str], told: str, project: Path
) -> None:
    code, said = tune(project, *words, "trainer.max_epochs=1", space=space)
    assert (code, told in said, said.count("\n")) == (2, True, 1), said
    assert not (project / "outputs").exists()
