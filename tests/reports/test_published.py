"""Published numbers: said to lie in the interval, in the range of the seeds or outside, in a table and a figure."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_up_runs import write_run, write_study

from dnnx.reports.figures import scores
from dnnx.reports.published import place_of
from dnnx.reports.report import build
from dnnx.runs.read import declaration, read_run, read_study

ACCURACY = [0.960, 0.970, 0.971, 0.972, 0.980]  # mean 0.9706, interval 0.962 to 0.979


@pytest.mark.parametrize(
    ("published", "told"),
    [
        (97.0, "in the interval"),
        (96.1, "in the range of the seeds"),
        (98.0, "in the range of the seeds"),
        (98.1, "above all seeds"),
        (50.0, "below all seeds"),
    ],
)
def test_a_number_lies_in_the_interval_in_the_range_or_outside(tmp_path: Path, published: float, told: str) -> None:
    run = read_run(write_run(tmp_path / "run", accuracy=ACCURACY), "run")
    assert place_of(run, "test/accuracy", published) == told


def test_of_one_seed_only_its_own_value_is_in_the_interval(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", seeds=[0], accuracy=[0.97]), "run")
    assert [place_of(run, "test/accuracy", value) for value in (97.0, 97.1)] == ["in the interval", "above all seeds"]


def declare(folder: Path, published: object) -> None:
    found = json.loads((folder / "study.json").read_text())
    (folder / "study.json").write_text(json.dumps(found | {"published": published}))


def test_the_report_has_a_table_of_them_and_the_figure_an_upright_line_each(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "study", {"a": {"accuracy": ACCURACY}, "b": {"noise": 1}})
    assert "## Published numbers" not in build([folder], folder).md.read_text()
    declare(folder, {"a": [97.0, 99.5]})
    text = build([folder], folder).md.read_text()
    assert "## Published numbers" in text
    assert "| a | 97 % | in the interval |" in text
    assert "| a | 99.5 % | above all seeds |" in text
    study = read_study([folder])
    axes = scores.draw(study.reference_first, study.main, study.published).axes[0]
    upright = [line for line in axes.lines if (line.get_marker(), line.get_markersize()) == ("|", 18)]
    assert [np.asarray(line.get_xdata()).tolist() for line in upright] == [[97.0], [99.5]]


@pytest.mark.parametrize("published", [{"a": 97.0}, {"a": ["97"]}, {"a": [float("nan")]}, [97.0]])
def test_a_given_study_whose_numbers_are_none_is_refused(tmp_path: Path, published: object) -> None:
    folder = write_study(tmp_path / "study", {"a": {}, "b": {"noise": 1}})
    declare(folder, published)
    with pytest.raises(Exception, match="published must map arms to lists of numbers"):
        declaration(folder)
