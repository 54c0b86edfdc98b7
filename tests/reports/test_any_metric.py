"""Any metric is reported by its own name, unit and direction: no report knows one by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_runs import write_run, write_study
from safetensors.numpy import save_file

from dnnx.reports import notebook
from dnnx.reports.figures import curves, scores
from dnnx.reports.report import Report, build
from dnnx.reports.table import results_table
from dnnx.runs.about import About, about, split_of
from dnnx.runs.read import read_run, read_study

CURVES = ["curves_val_loss", "curves_train_loss", "curves_val_mae", "curves_train_mae"]
CURVES += ["seconds_val_loss", "seconds_val_mae"]
DEGREES = {"unit": "°C", "better": "lower"}


def regression(folder: Path, mae: list[float], described: dict[str, Any] | None = None) -> None:
    """Make a made-up run one of a regression: MAE in °C and R2, no classes, no pictures, no ensemble."""
    results = json.loads((folder / "results.json").read_text())
    kept = {name: x for name, x in results.items() if not name.startswith(("test/", "train/", "ensemble/"))}
    n = len(results["seeds"])
    kept |= {"test/loss": [1.0] * n, "test/mae": mae, "test/r2": [-0.25] * n, "train/mae": [x - 1 for x in mae]}
    kept["about"] = {"test/mae": DEGREES, "test/r2": {"unit": "", "better": "higher"}} | (described or {})
    (folder / "results.json").write_text(json.dumps(kept))
    lines = (folder / "metrics.csv").read_text().replace(",accuracy,", ",mae,")
    (folder / "metrics.csv").write_text(lines)
    data = json.loads((folder / "data.json").read_text())
    (folder / "data.json").write_text(json.dumps({k: x for k, x in data.items() if k != "class_names"}))
    save_file({"targets": np.zeros(3, np.float32)}, folder / "predictions.safetensors")


@pytest.fixture
def degrees(tmp_path: Path) -> Path:
    """Two arms: b is 1 °C better in every seed, give or take 0.1."""
    folder = write_study(tmp_path / "s", {"a": {}, "b": {"noise": 1}})
    regression(folder / "a", [3.0, 3.2, 2.8, 3.1, 2.9])
    regression(folder / "b", [2.0, 2.1, 1.9, 2.0, 1.9])
    return folder


def text(made: Report) -> str:
    return made.md.read_text().replace("\\", "").replace("\u00a0", " ")


def test_a_regression_is_reported_in_its_unit_and_judged_in_its_direction(degrees: Path) -> None:
    made = build([degrees], degrees)
    assert made.notes == []
    assert made.sentences == [
        "Is the test mae of b lower than that of a? Yes: mean test mae 1.98 °C (b) against 3.00 °C (a), difference "
        "-1.02 °C (95 % interval -1.12 to -0.92), paired t test, correlation over the seeds 0.94, n = 5 seeds, "
        "p < 0.001."
    ]
    assert [path.stem for path in made.figures] == ["forest", "mae", *CURVES]
    assert "| arm | test mae | test r2 | test loss | diverged |" in text(made)
    assert "| b | 1.98 °C (1.88 to 2.08, n = 5) | -0.250 in all 5 seeds |" in text(made)
    assert "| arm | train mae | test mae | test minus train | rise of val loss |" in text(made)
    assert "accuracy" not in text(made)


def test_figures_name_the_metric_with_its_unit(degrees: Path) -> None:
    runs = read_study([degrees]).runs
    assert scores.draw(runs, "test/mae").axes[0].get_xlabel() == "test mae, °C"
    assert [plan.name for plan in curves.plan(read_study([degrees]))] == CURVES
    assert curves.draw(runs, "val", "mae").get_supylabel() == "val mae, °C"


def test_a_share_is_shown_in_percent_and_its_interval_ends_at_100(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    iou = {"test/iou": {"unit": "%", "better": "higher"}}
    regression(run, [0.9, 0.99, 0.95, 0.999, 0.2], iou)
    results = json.loads((run / "results.json").read_text())
    results = {"seeds": results["seeds"], "test/iou": results.pop("test/mae")} | results
    (run / "results.json").write_text(json.dumps(results))
    made = build([run], tmp_path / "out")
    assert "to 100, n = 5)" in text(made)
    assert "iou" in [path.stem for path in made.figures]


def test_a_diverged_seed_is_the_worst_in_the_direction_of_the_metric(degrees: Path) -> None:
    path = degrees / "b" / "results.json"
    results = json.loads(path.read_text())
    for name in ("test/mae", "test/loss", "test/r2", "train/mae"):
        results[name][0] = None
    results["epoch/diverged"][0] = 2
    path.write_text(json.dumps(results))
    (sentence,) = build([degrees], degrees).sentences
    assert "Undecided" in sentence
    assert "(95 % interval -1.18 or higher)" in sentence
    assert "1 of 5 seeds of b diverged and count as worst" in sentence


@pytest.mark.parametrize(("expect", "answer"), [("lower", "yes"), ("higher", "no")])
def test_the_claim_states_the_direction_of_a_metric_that_has_none(tmp_path: Path, expect: str, answer: str) -> None:
    claim = {"ask": "?", "metric": "test/mae", "arm": "b", "than": "a", "expect": expect}
    folder = write_study(tmp_path / "s", {"a": {}, "b": {"noise": 1}}, verdicts=[claim])
    for arm, mae in (("a", [3.0, 3.2, 2.8, 3.1, 2.9]), ("b", [2.0, 2.1, 1.9, 2.0, 1.9])):
        regression(folder / arm, mae, {"test/mae": {"unit": "", "better": None}})
    assert build([folder], folder).verdicts[0].answer == answer


def test_metrics_that_a_module_logged_itself_are_compared(tmp_path: Path) -> None:
    """One seed, no test set, no loss, no facts: only what was logged in validation."""
    for arm, value in (("a", 0.5), ("b", 0.6)):
        folder = tmp_path / "s" / arm
        folder.mkdir(parents=True)
        described = {"val/acc": {"unit": "", "better": "higher"}}
        (folder / "results.json").write_text(json.dumps({"seeds": [3], "val/acc": [value], "about": described}))
        (folder / "config.yaml").write_text("module: {_target_: my.Lit}")
        for name in ("environment", "data"):
            (folder / f"{name}.json").write_text("{}")
        rows = [f"{epoch},val,acc,3,{value - 0.1 / epoch}" for epoch in (1, 2, 3)]
        (folder / "metrics.csv").write_text("\n".join(["epoch,split,metric,seed,value", *rows, ""]))
    made = build([tmp_path / "s"], tmp_path / "out")
    assert made.notes == []
    assert made.sentences[0].startswith("Is the val acc of b higher than that of a? Undecided: mean val acc 0.600 (b)")
    assert [path.stem for path in made.figures] == ["acc", "curves_val_acc"]
    assert "## Convergence" not in text(made)
    assert "nan" not in text(made)


def test_the_table_of_a_command_shows_the_metrics_of_the_run(degrees: Path) -> None:
    table = results_table("t", read_run(degrees / "b", "b").results)
    names, means, _, _, extremes = ([str(cell) for cell in column.cells] for column in table.columns)
    shown = dict(zip(names, zip(means, extremes, strict=True), strict=True))
    assert names[:4] == ["test/mae", "test/r2", "test/loss", "train/mae"]
    assert shown["test/mae"] == ("1.98 °C", "1.90 to 2.10 °C")


def test_unit_and_direction_are_those_of_the_same_metric_on_another_split() -> None:
    results = {"test/mae": [1], "about": {"test/mae": DEGREES}}
    assert about(results, "train/mae") == About("°C", "lower")
    assert about(results, "ensemble/loss") == About("", "lower")
    assert about(results, "epoch/best").words == "best epoch"
    assert about({"test/accuracy": [0.5]}, "test/accuracy") == About("%", "higher"), "a run folder of before"
    assert [split_of(name) for name in ("val_acc", "test/acc", "lr")] == [("val", "acc"), ("test", "acc"), ("", "lr")]


@pytest.mark.parametrize("entry", [{}, {"unit": "", "better": "up"}, {"unit": 3, "better": None}, [], "%"])
def test_an_about_of_another_shape_is_a_broken_results_file(tmp_path: Path, entry: Any) -> None:
    run = write_run(tmp_path / "a")
    results = json.loads((run / "results.json").read_text())
    (run / "results.json").write_text(json.dumps(results | {"about": {"test/accuracy": entry}}))
    assert "about must map metrics to unit and better" in read_run(run, "a").broken[0]


def test_a_notebook_shows_the_report_and_the_curves_and_writes_nothing(degrees: Path) -> None:
    before = sorted(degrees.rglob("*"))
    page = notebook.html(degrees)
    assert page.startswith("<!DOCTYPE html>")
    assert "<svg" in page
    assert "1.98 °C" in page
    assert notebook.curves(degrees).get_supylabel() == "val loss"
    assert sorted(degrees.rglob("*")) == before
