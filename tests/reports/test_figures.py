"""What a reader sees in the figures of a report: verdicts, single seeds, many arms, and axes in plain numbers."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from made_up_runs import write_run, write_study
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dnnx.reports.figures import curves, drawing, forest, scores
from dnnx.reports.verdicts import decide
from dnnx.runs.read import read_run, read_study


def claim(metric: str, arm: str, expect: str = "higher") -> dict[str, str]:
    return {"ask": "?", "metric": metric, "arm": arm, "than": "plain", "expect": expect}


@pytest.fixture
def verdicts(study: Path) -> list[Any]:
    read = read_study([study])
    read.verdicts = [claim("test/accuracy", "bn"), claim("convergence/epochs", "bn", "lower")]
    return decide(read)[0]


def test_the_forest_plot_shows_interval_margin_and_every_seed(verdicts: list[Any]) -> None:
    points, ratios = forest.draw(verdicts).axes
    assert (points.get_xlabel(), points.get_xscale()) == ("difference, points", "linear")
    assert (ratios.get_xlabel(), ratios.get_xscale()) == ("ratio, the arm to the other one", "log")
    found = verdicts[0].comparison
    drawn = [np.sort(np.asarray(line.get_xdata(), float)) for line in points.get_lines()]
    assert any(np.allclose(x, np.sort(100 * np.array(found.gaps))) for x in drawn if len(x) == 5)
    assert any(np.allclose(x, [100 * found.low, 100 * found.high]) for x in drawn if len(x) == 2)
    band = points.collections[0].get_paths()[0].get_extents()
    assert (band.x0, band.x1) == pytest.approx((-0.1, 0.1))
    low, high = ratios.get_xlim()
    assert low < np.exp(verdicts[1].comparison.low) < 1 < high


def test_seeds_that_never_arrive_are_counted_beside_the_plot_and_no_mean_leaves_them_out(tmp_path: Path) -> None:
    read = read_study([write_study(tmp_path / "s", {"plain": {"diverged": [0, 1, 2, 3]}, "bn": {}})])
    read.verdicts = [claim("test/accuracy", "bn")]
    (axes,) = forest.draw(decide(read)[0]).axes
    assert "4 of them without a number in one arm and not drawn" in axes.texts[1].get_text()
    assert "D" not in {line.get_marker() for line in axes.get_lines()}


def test_a_verdict_without_a_difference_is_not_in_the_forest_plot(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", {"plain": {}, "bn": {"diverged": [0, 1, 2, 3, 4]}})
    read = read_study([folder])
    read.verdicts = [claim("test/accuracy", "bn"), claim("time/epoch_s", "bn", "lower")]
    assert not forest.plan_answers(decide(read)[0])[0].fits()


def test_arms_are_ranked_in_the_direction_of_the_metric(study: Path) -> None:
    runs = read_study([study]).reference_first
    labels = [label.get_text().split("\n") for label in scores.draw(runs, "test/accuracy").axes[0].get_yticklabels()]
    assert [label[0] for label in labels] == ["bn", "plain"]
    assert labels[0][1] == "98.02 % (n = 5)"
    losses = [label.get_text().split("\n")[0] for label in scores.draw(runs, "val/loss").axes[0].get_yticklabels()]
    assert losses == sorted(losses, key=lambda name: next(r for r in runs if r.name == name).values("val/loss").mean())


def test_a_seed_that_has_ended_counts_with_its_best_epoch(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", seeds=[0, 1], diverged=[])
    rows = (folder / "metrics.csv").read_text().splitlines()
    kept = [row for row in rows if not (row.split(",")[3] == "1" and int(row.split(",")[0]) > 8)]
    (folder / "metrics.csv").write_text("\n".join([*kept, ""]))
    run = read_run(folder, "a")
    run.results["epoch/best"] = [12, 5]
    curve, whole = run.curve("val", "loss"), curves.carried(run, "val", "loss")
    assert whole[1][8] == curve[1][8]
    assert (whole[1].loc[9:] == curve[1][5]).all()
    assert (whole[0] == curve[0]).all()


def test_diverged_seeds_are_in_no_mean_curve(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "a", diverged=[3]), "a")
    assert list(curves.carried(run, "val", "loss")) == [0, 1, 2, 4]


@pytest.mark.parametrize(("arms", "panels"), [(2, 1), (4, 1), (5, 4), (12, 11)])
def test_many_arms_have_a_panel_each_and_every_arm_is_drawn(tmp_path: Path, arms: int, panels: int) -> None:
    names = [f"arm{i}" for i in range(arms)]
    folder = write_study(tmp_path / "s", {name: {"noise": i, "seeds": [0, 1]} for i, name in enumerate(names)})
    figure = curves.draw(read_study([folder]).reference_first, "val", "accuracy")
    assert len(figure.axes) == panels
    if panels > 1:
        assert [axes.get_title() for axes in figure.axes] == names[1:]
    shown = [y for axes in figure.axes for line in axes.get_lines() for y in np.asarray(line.get_ydata(), float)]
    assert np.nanmax(shown) > 50, "a share is shown in percent"


def test_of_very_many_arms_the_reference_and_the_best_have_a_panel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "MAX_PANELS", 2)
    accuracies = {"first": 0.1, "low": 0.2, "high": 0.9, "middle": 0.5, "lower": 0.15}
    arms: dict[str, dict[str, Any]] = {name: {"accuracy": [a, a], "seeds": [0, 1]} for name, a in accuracies.items()}
    planned = curves.plan(read_study([write_study(tmp_path / "s", arms)]))
    assert planned
    for drawing_ in planned:
        assert [run.name for run in drawing_.runs] == ["first", "high", "middle"]
        assert "The reference and the 2 best of 5 arms." in drawing_.caption


def test_epochs_have_whole_ticks(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "a", epochs=3), "a")
    figure = curves.draw([run], "val", "loss")
    assert all(tick == int(tick) for tick in shown_ticks(figure, "x"))


def shown_ticks(figure: Figure, axis: str) -> list[float]:
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    low, high = axes.get_xlim() if axis == "x" else axes.get_ylim()
    ticks = axes.get_xticks() if axis == "x" else axes.get_yticks()
    return [float(tick) for tick in ticks if low <= tick <= high]


@pytest.mark.parametrize(("low", "high"), [(0.05, 0.06), (0.05, 0.6), (0.01, 3), (1e-8, 1e4), (0.9, 1.3), (2, 900)])
def test_a_logarithmic_axis_has_three_to_twelve_ticks_in_plain_numbers(low: float, high: float) -> None:
    with matplotlib.rc_context(drawing.STYLE):  # type: ignore[arg-type]
        figure = Figure()
        axes = figure.subplots()
        axes.set(yscale="log", ylim=(low, high))
        drawing.log_ticks(axes.yaxis, low, high)
        ticks = shown_ticks(figure, "y")
    assert 3 <= len(ticks) <= 12
    assert all("$" not in label.get_text() for label in axes.get_yticklabels())
