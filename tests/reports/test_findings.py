"""A baseline that is not random is told from five networks that happen to agree."""

from pathlib import Path
from typing import Any

import pytest
from made_up_runs import write_run, write_study
from rich.console import Console

from dnnx.reports.figures import scores
from dnnx.reports.findings import cell
from dnnx.reports.report import build
from dnnx.reports.study_table import study_table
from dnnx.runs.read import read_run, read_study

FIXED: dict[str, Any] = {"accuracy": [0.8] * 5, "config": {"baseline": {"_target_": "sklearn.dummy.DummyClassifier"}}}


def test_a_value_that_no_seed_changes_has_no_n(tmp_path: Path) -> None:
    assert cell(read_run(write_run(tmp_path / "a", **FIXED), "a"), "test/accuracy") == "80.00 % (not random)"
    same = read_run(write_run(tmp_path / "b", accuracy=[0.8] * 5), "b")
    assert cell(same, "test/accuracy") == "80.00 % in all 5 seeds"


@pytest.mark.usefixtures("undrawn")
def test_report_table_and_ranking_say_that_a_baseline_is_not_random(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", {"majority": FIXED, "net": {}})
    told = build([folder], folder).md.read_text()
    assert "80.00 % (not random)" in told
    assert "An arm that is not random has one value" in told
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(study_table(read_study([folder])))
    assert "not random" in console.export_text()
    figure = scores.draw(read_study([folder]).runs, "test/accuracy")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert "majority\n80.00 % (not random)" in labels
    assert any(label.startswith("net\n") and label.endswith("(n = 5)") for label in labels)
