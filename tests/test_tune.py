"""Tuning from one command: the total is reached and no more, nothing is repeated, no death loses anything."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from commands import command, compose, python
from omegaconf import OmegaConf
from optuna.trial import TrialState
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tuning_sweeps import OWN, TINY, compose_tuning, load, run_tuning

from dnnx.basics.errors import UserError
from dnnx.config.paths import CONF, experiment
from dnnx.data.folds import make_folds
from dnnx.tune import TooManyFailed, tune, typed_wins
from dnnx.tuning import cross_validation
from dnnx.tuning.cross_validation import CrossValidation
from dnnx.tuning.space import Space

NO_RETRAIN = "retrain=false"
OTHER_TESTS = """
from dnnx.data.arrays import ArrayData
plain = ArrayData.setup
def setup(self, stage=None):
    plain(self, stage)
    for x in self.splits.get("test", ()):  # folds have none
        x.zero_()
ArrayData.setup = setup
"""


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [t for t in study.trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]


def points(study: optuna.Study) -> set[tuple]:
    return {tuple(trial.params.items()) for trial in study.trials}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study folder of four trials, with the best setting trained and tested."""
    folder = tmp_path_factory.mktemp("tuned") / "dense5"
    run_tuning(folder)
    return folder


def test_a_tuning_leaves_its_book_its_best_setting_its_report_and_a_run(tuned: Path) -> None:
    study = load(tuned)
    best = study.best_trial
    settings = yaml.safe_load((tuned / "best.yaml").read_text())
    assert settings["optimizer.lr"] == best.params["optimizer.lr"]
    assert settings["net.hidden"] == [best.params["width"]] * 2
    assert set(settings) == {"optimizer.lr", "net.hidden", "net.activation"}
    run = yaml.safe_load((tuned / f"trial_{best.number}" / "config.yaml").read_text())
    assert run["net"]["hidden"] == settings["net.hidden"]
    assert run["trainer"]["max_epochs"] == 2, "the overrides of trials are for trials alone"
    assert (tuned / f"trial_{best.number}" / "results.json").exists()
    for trial in finished(study):
        events = EventAccumulator(str(tuned / "tensorboard" / f"trial_{trial.number}")).Reload()
        assert "_hparams_/session_start_info" in events.summary_metadata
    for text in ((tuned / "report.md").read_text(), (tuned / "report.html").read_text()):
        assert f"Best: trial {best.number}, accuracy" in text.replace("\\", "")
        assert "4 trials finished" in text


def test_a_score_is_the_mean_over_folds_and_every_metric_is_recorded(tuned: Path) -> None:
    for trial in load(tuned).trials:
        if trial.state == TrialState.COMPLETE:
            assert trial.value == pytest.approx(sum(trial.user_attrs["accuracy"]) / 3)
            assert trial.value == pytest.approx(list(trial.intermediate_values.values())[-1])
            assert all(len(trial.user_attrs[name]) == 3 for name in ("precision", "recall", "f1", "loss"))


def test_a_resume_has_just_the_missing_trials_and_repeats_none(tuned: Path, tmp_path: Path) -> None:
    run_tuning(tmp_path / "a", "n_trials=2", NO_RETRAIN)
    once = run_tuning(tmp_path / "a", "n_trials=4", NO_RETRAIN)
    assert [trial.params for trial in once.trials] == [trial.params for trial in load(tuned).trials]
    assert [trial.value for trial in once.trials] == pytest.approx([trial.value for trial in load(tuned).trials])
    assert len(points(once)) == 4


def test_a_finished_tuning_does_nothing_again(tuned: Path, capsys: pytest.CaptureFixture) -> None:
    results = next(tuned.glob("trial_*/results.json"))
    before = results.stat().st_mtime_ns
    assert len(run_tuning(tuned).trials) == 4
    assert results.stat().st_mtime_ns == before
    assert "epoch 1/" not in capsys.readouterr().out


def test_a_study_is_not_mixed_with_another_search(tuned: Path) -> None:
    with pytest.raises(UserError, match=r"name=dense5: .*folds \(3 there, 4 here\)"):
        run_tuning(tuned, "folds=4")
    with pytest.raises(UserError, match=r"name=dense5: .*net\.dropout \(0\.0 there, 0\.1 here\)"):
        run_tuning(tuned, "net.dropout=0.1")


class Sure(optuna.trial.FixedTrial):
    """A trial of given values that is never pruned."""

    @property
    def params(self) -> dict[str, Any]:
        return self._params


def validate(tmp_path: Path, *overrides: str) -> CrossValidation:
    cfg: Any = compose_tuning(*overrides)
    space = Space({"optimizer.lr": "interval(1e-3,1e-2)"}, {})
    return CrossValidation(cfg, space, lambda more: compose_tuning(*overrides, *more), tmp_path)


@pytest.mark.parametrize("net", ["net.dropout=0.2", "net.norm=batch"])
def test_a_fold_among_others_equals_that_fold_alone(net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    among: Any = Sure({"optimizer.lr": 3e-3})
    validate(tmp_path, net).score(among)

    def second_alone(data: Any, folds: int, seed: int) -> Any:
        folded = make_folds(data, folds, seed)
        folded.seeds, folded.rows = folded.seeds[1:2], {split: rows[1:2] for split, rows in folded.rows.items()}
        return folded

    monkeypatch.setattr(cross_validation, "make_folds", second_alone)
    alone: Any = Sure({"optimizer.lr": 3e-3})
    validation = validate(tmp_path, net)
    validation.score(alone)
    assert alone.user_attrs["loss"] == pytest.approx(among.user_attrs["loss"][1:2], rel=5e-3)
    assert alone.user_attrs["best_epoch"] == among.user_attrs["best_epoch"][1:2]


@pytest.mark.slow
def test_no_trial_depends_on_the_test_images(tuned: Path, tmp_path: Path) -> None:
    done = command("tune", "--config-dir", str(OWN), *TINY, "n_trials=2", NO_RETRAIN, cwd=tmp_path, before=OTHER_TESTS)
    assert done.returncode == 0, done.stderr
    other = load(tmp_path / "outputs" / "tune" / "dense5")
    assert [t.value for t in other.trials] == pytest.approx([t.value for t in load(tuned).trials[:2]])


@pytest.mark.parametrize("objective", ["precision", "loss"])
def test_another_objective_is_reported_and_scored(objective: str, tmp_path: Path) -> None:
    direction = "minimize" if objective == "loss" else "maximize"
    more = [f"objective={objective}", f"direction={direction}", "n_trials=1", NO_RETRAIN]
    trial = run_tuning(tmp_path, *more).trials[0]
    assert trial.value == pytest.approx(sum(trial.user_attrs[objective]) / 3)
    assert list(trial.intermediate_values.values())[-1] == pytest.approx(trial.value, rel=1e-4)


def failing(monkeypatch: pytest.MonkeyPatch, which: Any, error: Exception) -> None:
    plain = cross_validation.assemble

    def assemble(*arguments: Any) -> Any:
        data, module, trainer = plain(*arguments)
        fit = trainer.fit

        def fit_or_fail(*a: Any, **k: Any) -> None:
            calls.append(1)
            if which(len(calls)):
                raise error
            fit(*a, **k)

        trainer.fit = fit_or_fail
        return data, module, trainer

    calls: list[int] = []
    monkeypatch.setattr(cross_validation, "assemble", assemble)


def test_a_trial_out_of_memory_fails_is_listed_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, lambda call: call == 2, RuntimeError("DefaultCPUAllocator: not enough memory: you tried"))
    study = run_tuning(tmp_path, NO_RETRAIN)
    assert [t.state == TrialState.FAIL for t in study.trials] == [False, True, False, False]
    assert study.trials[1].user_attrs["reason"].startswith("out of memory")
    assert "out of memory" in (tmp_path / "report.md").read_text()


def test_a_trial_that_diverges_fails_with_its_fold_and_epoch(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no trial was completed"):
        run_tuning(tmp_path, "n_trials=1", NO_RETRAIN, "optimizer=sgd", "++optimizer.weight_decay=1e30")
    reason = load(tmp_path).trials[0].user_attrs["reason"]
    assert reason.startswith("diverged: the loss of fold 1 was not finite in epoch")


def test_fail_fast_stops_at_the_first_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, lambda call: call == 2, MemoryError())
    with pytest.raises(TooManyFailed, match="trial 1 failed"):
        run_tuning(tmp_path, NO_RETRAIN, "fail_fast=true")
    assert len(load(tmp_path).trials) == 2


def test_too_many_failures_end_a_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, lambda call: call > 1, MemoryError())
    with pytest.raises(TooManyFailed, match="5 of 6 trials failed"):
        run_tuning(tmp_path, NO_RETRAIN, "n_trials=20")
    assert len(load(tmp_path).trials) == 6
    assert (tmp_path / "best.yaml").exists(), "the one that was completed is the best"


def test_a_bug_is_no_failed_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, lambda call: True, RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        run_tuning(tmp_path, NO_RETRAIN)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("space.width=choice(7,-1)", "net.hidden"),
        ("optimizer.lrr=1", "optimizer.lrr"),
        ("+foo=1", "foo: there is no such key"),
        ("objective=acuracy", "objective=acuracy: choose one of accuracy"),
        ("direction=minimize", "direction=minimize: not with objective=accuracy: higher is better"),
        ("n_trials=0", "n_trials=0: a whole number"),
        ("folds=1", "folds=1: a whole number"),
        ("sampler.foo=1", "sampler.foo"),
        ("pruner.min_resource=0", "pruner: "),
        ('trial=["trainer.max_epochs=0"]', "trainer.max_epochs=0"),
        ("resume=.", "resume=.: leave it out; the same command continues a study"),
    ],
)
def test_a_mistake_is_a_one_line_error_before_a_study_exists(override: str, says: str, tmp_path: Path) -> None:
    key, _, value = override.partition("=")
    quoted = f"{key}='{value}'" if key.startswith("space") else f"++{override.lstrip('+')}"
    with pytest.raises(UserError) as error:
        run_tuning(tmp_path / "study", quoted)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "study").exists()


def test_an_experiment_with_arms_asks_for_one(tmp_path: Path) -> None:
    typed = ["+exp=dropout", *TINY[1:]]
    cfg = compose(*typed, f"hydra.searchpath=[file://{OWN}]", name="tune")
    with pytest.raises(UserError, match="arm=None: choose the arm to tune; type arm=plain or arm=bn"):
        tune(cfg, tmp_path, lambda more: cfg)


WORK = ["--config-dir", str(OWN), *TINY, NO_RETRAIN, "seeds=1"]
SLOW = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started deaf to it
from dnnx.tuning.prune_trials import Prune
plain = Prune.on_train_epoch_end
def slow(self, trainer, module):
    {body}
    plain(self, trainer, module)
Prune.on_train_epoch_end = slow
"""


def start(cwd: Path, *arguments: str, body: str = "pass") -> subprocess.Popen:
    argv = ["dnnx.tune", *arguments]
    code = SLOW.format(body=body) + f"import runpy, sys; sys.argv = {argv!r}; "
    code += "runpy.run_module('dnnx.tune', run_name='__main__')"
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], cwd=cwd, env=env, text=True, **pipes)


@pytest.mark.slow
def test_two_workers_one_killed_in_mid_trial_reach_the_total_with_nothing_twice(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "tune" / "dense5"
    doomed = start(tmp_path, *WORK, "n_trials=6", body="time.sleep(600) if self.trial.number == 0 else None")
    while not (folder / "journal.log").exists() or not load(folder).trials:
        assert doomed.poll() is None, doomed.communicate()
        time.sleep(0.2)
    other = start(tmp_path, *WORK, "n_trials=6")
    while len(load(folder).trials) < 3:
        assert other.poll() is None, other.communicate()
        time.sleep(0.1)
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    out, err = other.communicate(timeout=300)
    assert other.returncode == 0, err
    study = load(folder)
    assert [t.state for t in study.trials].count(TrialState.FAIL) == 1
    assert len(finished(study)) == 6
    assert len(study.trials) == len(points(study)) == 7
    assert "trial 0: its worker was killed" in out
    assert (folder / "report.html").exists()


@pytest.mark.slow
def test_ctrl_c_finishes_the_books_and_the_same_command_goes_on(tmp_path: Path) -> None:
    body = "os.kill(os.getpid(), signal.SIGINT) if self.trial.number == 2 else None"
    stopped = start(tmp_path, *WORK, "n_trials=4", body=body)
    _, err = stopped.communicate(timeout=300)
    assert stopped.returncode == 130, err
    assert "stopped by Ctrl-C; to go on, type the same again" in err
    assert "Traceback" not in err
    folder = tmp_path / "outputs" / "tune" / "dense5"
    assert [t.state == TrialState.FAIL for t in load(folder).trials] == [False, False, True]
    assert (folder / "best.yaml").exists()
    assert (folder / "report.html").exists()
    done = command("tune", *WORK, "n_trials=4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(finished(load(folder))) == 4
    used = command("train", "+exp=dense5", "+debug=smoke", "params=outputs/tune/dense5/best.yaml", cwd=tmp_path)
    assert used.returncode == 0, used.stderr


def test_help_imports_neither_torch_nor_optuna(tmp_path: Path) -> None:
    done = python("import sys, dnnx.tune; print({'torch', 'optuna', 'sklearn'} & set(sys.modules))", tmp_path)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "sweep").glob("*.yaml")))
def test_every_corner_of_every_sweeps_space_is_a_valid_run(name: str, tmp_path: Path) -> None:
    of_exp = [f"+exp={name}"] if experiment(name) else []
    typed = [*of_exp, f"+sweep={name}", "data.source=digits"]
    cfg = compose(*typed, name="tune")
    plain: Any = OmegaConf.to_container(cfg)
    space = Space(plain["space"], plain["derived"])
    validation = CrossValidation(cfg, space, lambda more: compose(*typed, *more, name="tune"), tmp_path)
    for corner in space.corners():
        validation.build(corner)


@pytest.mark.slow
@pytest.mark.parametrize("group", ["sampler", "pruner"])
def test_every_sampler_and_pruner_tunes(group: str, tmp_path: Path) -> None:
    for path in (CONF / group).glob("*.yaml"):
        values = ['space={optimizer.lr: "choice(1e-3,1e-2)"}'] if path.stem == "grid" else []
        words = [f"{group}={path.stem}", *values, "n_trials=2", NO_RETRAIN, "folds=2"]
        study = run_tuning(tmp_path / path.stem, *words)
        assert len(finished(study)) == 2


def test_what_is_typed_wins_over_trials_and_over_the_space(capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["trainer.max_epochs=1", "net.activation=relu"]
    cfg = typed_wins(compose_tuning(*typed), typed)
    assert cfg.trial == []
    assert set(cfg.space) == {"optimizer.lr", "width"}
    assert "net.activation: it is typed, so it is not searched" in capsys.readouterr().out
    assert typed_wins(compose_tuning(), []).trial == ["trainer.max_epochs=3"]


def test_typed_epochs_are_those_of_the_trials(tmp_path: Path) -> None:
    words = ["--config-dir", str(OWN), *TINY, "n_trials=1", "folds=2", NO_RETRAIN, "trainer.max_epochs=1"]
    done = command("tune", *words, "trainer.accelerator=cpu", "jobs=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    [trial] = load(tmp_path / "outputs/tune/dense5").trials
    assert list(trial.intermediate_values) == [1]


def test_a_tuning_that_goes_on_with_more_seeds_trains_them_too(tmp_path: Path) -> None:
    for seeds in (1, 3):
        run_tuning(tmp_path, "n_trials=1", "folds=2", "trainer.max_epochs=1", f"seeds={seeds}")
        assert json.loads((tmp_path / "trial_0/results.json").read_text())["seeds"] == [*range(seeds)]
    run_tuning(tmp_path, "n_trials=1", "folds=2", "trainer.max_epochs=1", "seeds=1")
    assert json.loads((tmp_path / "trial_0/results.json").read_text())["seeds"] == [0, 1, 2]


def test_the_progress_of_a_small_space_counts_its_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    point = 'space={optimizer.lr: "choice(1e-3)", width: "choice(4)", net.activation: "choice(relu)"}'
    run_tuning(tmp_path, "sampler=grid", point, "n_trials=4", "folds=2", NO_RETRAIN)
    said = capsys.readouterr().out
    assert "1/1  trial 0: " in said
    assert "the space has no more than 1 points" in said
