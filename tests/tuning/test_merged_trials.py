"""Trials that train as one network have the scores that each has alone."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from tuning_sweeps import run_tuning

from dnnx.tuning import trials
from dnnx.tuning.cross_validation import CrossValidation
from dnnx.tuning.prune_trials import TrialFailed

RATES = ["pruner=none", "sampler=random"]


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of trials that trained as one network."""
    found: list[int] = []
    plain = CrossValidation.score_all

    def noted(self: CrossValidation, given: Any, on_epoch: Any) -> Any:
        found.append(len(given))
        return plain(self, given, on_epoch)

    monkeypatch.setattr(CrossValidation, "score_all", noted)
    return found


def facts(study: optuna.Study) -> list[tuple[Any, ...]]:
    attrs = ("accuracy", "loss", "best_epoch", "reason")
    return [
        (t.number, t.state, t.params, t.value, t.intermediate_values, *map(t.user_attrs.get, attrs))
        for t in study.trials
    ]


def alone(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> optuna.Study:
    with monkeypatch.context() as patch:
        patch.setattr(trials, "MAX_TRIALS", 1)
        return run_tuning(folder, *words, sweep="rates")


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_trials_have_the_scores_that_each_has_alone(
    sampler: str, groups: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["pruner=none", f"sampler={sampler}"]
    expected = facts(alone(tmp_path / "alone", monkeypatch, *words))
    assert groups == []
    found = facts(run_tuning(tmp_path / "merged", *words, sweep="rates"))
    assert groups == [6]
    for one, other in zip(found, expected, strict=True):
        assert one[:3] == other[:3]
        assert one[3] == pytest.approx(other[3], abs=0.02)
        assert one[4] == pytest.approx(other[4], abs=0.02)
        assert one[5] == pytest.approx(other[5], abs=0.02)
        assert one[6] == pytest.approx(other[6], abs=0.02)
        assert one[7:] == other[7:]


def test_a_trial_that_diverges_fails_alone(groups: list[int], tmp_path: Path) -> None:
    words = ["pruner=none", "sampler=grid", "optimizer=sgd"]
    study = run_tuning(tmp_path / "t", *words, sweep="two_rates")
    assert groups == [2]
    assert sorted(t.state for t in study.trials) == [TrialState.COMPLETE, TrialState.FAIL]
    [failed] = [t for t in study.trials if t.state == TrialState.FAIL]
    assert float(failed.params["optimizer.lr"]) == 1e9
    assert "diverged" in failed.user_attrs["reason"]


@pytest.mark.parametrize("words", [["sampler=tpe"], ["pruner=median"], ["net.hidden=[300,300]"], ["replicas=loop"]])
def test_trials_that_depend_on_others_or_gain_nothing_train_alone(
    words: list[str], groups: list[int], tmp_path: Path
) -> None:
    run_tuning(tmp_path / "t", *RATES, *words, "n_trials=2", sweep="rates")
    assert groups == []


def test_trials_of_other_shapes_train_alone(groups: list[int], tmp_path: Path) -> None:
    run_tuning(tmp_path / "t", *RATES, "n_trials=2", "retrain=false")
    assert groups == []


def test_trials_that_find_no_memory_for_all_train_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def full(self: Any, given: Any, on_epoch: Any) -> Any:
        raise RuntimeError("not enough memory: you tried to allocate")

    monkeypatch.setattr(CrossValidation, "score_all", full)
    study = run_tuning(tmp_path / "t", *RATES, "n_trials=3", sweep="rates")
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 3
    assert "3 trials are trained one by one, and not as one network: out of memory" in "".join(capsys.readouterr())


def test_an_error_that_is_not_of_memory_is_none_of_the_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: Any, given: Any, on_epoch: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(CrossValidation, "score_all", wrong)
    with pytest.raises(RuntimeError, match="a bug"):
        run_tuning(tmp_path / "t", *RATES, "n_trials=3", sweep="rates")


def test_workers_share_the_trials(groups: list[int], tmp_path: Path) -> None:
    run_tuning(tmp_path / "t", *RATES, "jobs=3", sweep="rates")
    assert groups == [2, 2, 2]


def test_a_stop_leaves_no_trial_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(self: Any, given: Any, on_epoch: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(CrossValidation, "score_all", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_tuning(tmp_path / "t", *RATES, "n_trials=3", sweep="rates")
    monkeypatch.undo()
    study = run_tuning(tmp_path / "t", *RATES, "n_trials=3", sweep="rates")
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 3 + [TrialState.COMPLETE] * 3
    assert not any("reason" in t.user_attrs for t in study.trials)


def test_a_failure_is_told_by_its_own_trial() -> None:
    with pytest.raises(TrialFailed, match="why"):
        trials._known(TrialFailed("why"), None, print)  # type: ignore[arg-type]
    assert trials._known(0.5, None, print) == 0.5  # type: ignore[arg-type]
