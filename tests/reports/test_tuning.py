"""The report of a search: its counts, its estimates, and that any book gives one."""

from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from dnnx.reports import tuning, tuning_figures

SPACE = {
    "optimizer.lr": FloatDistribution(1e-4, 1e-2, log=True),
    "width": IntDistribution(50, 200),
    "net.norm": CategoricalDistribution(["null", "batch"]),
}


def made_up(state: TrialState, values: list[float], seconds: float = 1.0, **attributes: object) -> FrozenTrial:
    lr = 10 ** -(2 + 2 * (len(values) % 7) / 7)
    folds = {name: [values[-1] - 0.01, values[-1], values[-1] + 0.01] for name in tuning.OF_OLD} if values else {}
    return create_trial(
        state=state,
        value=values[-1] if values and state != TrialState.FAIL else None,
        params={"optimizer.lr": lr, "width": 50 + len(values), "net.norm": "null" if len(values) % 2 else "batch"},
        distributions=SPACE,  # type: ignore[arg-type]
        intermediate_values=dict(enumerate(values, start=1)),
        user_attrs={"seconds": seconds, **folds, **attributes},
    )


def study_of(*trials: FrozenTrial) -> optuna.Study:
    study = optuna.create_study(study_name="made up", direction="maximize")
    study.set_user_attr("search", {"objective": "accuracy", "space.width": "x|y<z>"})
    for trial in trials:
        study.add_trial(trial)
    return study


COMPLETE = [made_up(TrialState.COMPLETE, [0.5 + 0.01 * i] * n) for i, n in enumerate((6, 8, 10, 12, 14))]
PRUNED = made_up(TrialState.PRUNED, [0.4, 0.4], seconds=3.0)
FAILED = made_up(TrialState.FAIL, [0.3], reason="diverged")


def test_the_report_counts_every_trial_once_and_names_the_best(tmp_path: Path) -> None:
    report = tuning.build(study_of(*COMPLETE, PRUNED, FAILED, made_up(TrialState.FAIL, [])), tmp_path)
    assert report.has_best
    assert report.sentences[0].startswith("7 trials finished: 5 complete, 1 pruned, 1 failed; 1 were interrupted")
    assert "14 % of the finished trials" in report.sentences[1]
    assert report.sentences[2] == "Best: trial 4, accuracy 54.00 % (sd 1.00 over 3 folds); precision 54.00 %."
    names = {path.stem for path in (tmp_path / "figures").glob("*.svg")}
    assert names == {"history", "curves", "slices", "parallel", "importances"}
    assert "diverged" in (tmp_path / "report.md").read_text()
    assert "x|y<z>" not in (tmp_path / "report.html").read_text()


def test_the_time_saved_by_pruning_counts_epochs_not_run_at_the_pace_of_their_trial() -> None:
    assert tuning.seconds_saved([*COMPLETE, PRUNED, FAILED]) == pytest.approx((10 - 2) * 3.0 / 2)
    assert tuning.seconds_saved([PRUNED]) == 0


@pytest.mark.parametrize("trials", [[], [PRUNED], [FAILED], COMPLETE[:1], [COMPLETE[0], COMPLETE[0]]])
def test_a_book_with_little_in_it_gives_a_report_all_the_same(trials: list[FrozenTrial], tmp_path: Path) -> None:
    report = tuning.build(study_of(*trials), tmp_path)
    assert report.has_best == any(trial.state == TrialState.COMPLETE for trial in trials)
    assert (tmp_path / "report.html").exists()


def test_the_same_book_gives_the_same_report(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        tuning.build(study_of(*COMPLETE, PRUNED), tmp_path / folder)
    assert (tmp_path / "a" / "report.html").read_text() == (tmp_path / "b" / "report.html").read_text()


def test_trials_of_a_choice_that_is_a_number_are_drawn(tmp_path: Path) -> None:
    study = optuna.create_study(direction="minimize")
    study.set_user_attr("search", {"objective": "loss"})
    for i in range(6):
        trial = study.ask({"data.batch_size": CategoricalDistribution(["32", "64"])})
        trial.report(1 / (i + 1), 1)
        trial.set_user_attr("seconds", 1.0)
        study.tell(trial, 1 / (i + 1))
    assert tuning.build(study, tmp_path).sentences[-1] == "Best: trial 5, loss 0.1667."


def test_shares_are_drawn_in_percent() -> None:
    score = tuning_figures.Score("accuracy, %", True, 100)
    for figure in (tuning_figures.history(COMPLETE, score), tuning_figures.slices(COMPLETE, SPACE, score)):
        assert figure.axes[0].yaxis.get_major_formatter()(0.545) == "54.5"


def test_the_colours_of_trials_are_seen_on_white_and_on_black() -> None:
    bright = [tuning_figures.SHADES(i)[:3] @ np.array([0.2126, 0.7152, 0.0722]) for i in (0, 255)]
    assert 0.15 < min(bright) < max(bright) < 0.8
