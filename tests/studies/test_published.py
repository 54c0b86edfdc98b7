"""Published numbers of arms are checked before any is trained, and stored in study.json."""

import re
from pathlib import Path
from typing import Any

import pytest

from dnnx.basics.errors import UserError
from dnnx.config.compose import compose
from dnnx.runs import schema
from dnnx.studies.plan import make_plan
from dnnx.studies.published import published_numbers

EXPERIMENT = """# @package _global_
name: beside
study:
  arms: {plain: [], bn: [net.norm=batch]}
  axes: {optimizer.lr: "1e-3,1e-2"}
  published: {bn: 99.49}
"""
ARMS: dict[str, list[str]] = {"plain": [], "bn": ["net.norm=batch"]}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, {}),
        ({}, {}),
        ({"bn": 99.49}, {"bn": [99.49]}),
        ({"bn": [98, 99.5], "plain": 97}, {"bn": [98.0, 99.5], "plain": [97.0]}),
    ],
)
def test_a_number_or_a_list_of_numbers_by_arm(given: Any, found: dict[str, list[float]]) -> None:
    assert published_numbers({"arms": ARMS, "published": given}) == found


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"bm": 99}, "study.published=bm: choose one of plain, bn"),
        ({"bn": "high"}, "study.published.bn=high: a number, or a list of numbers"),
        ({"bn": []}, "study.published.bn=[]: a number"),
        ({"bn": [True]}, "a number, or a list of numbers"),
        ({"bn": float("nan")}, "study.published.bn=nan"),
        ([99], "study.published=[99]: a mapping such as {bn: 99.49}"),
    ],
)
def test_anything_else_is_one_line(given: Any, says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)) as error:
        published_numbers({"arms": ARMS, "published": given})
    assert "\n" not in str(error.value)


def test_study_json_holds_those_of_every_run_of_an_arm(tmp_path: Path) -> None:
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "beside.yaml").write_text(EXPERIMENT)
    words = ["+exp=beside", f"hydra.sweep.dir={tmp_path / 'study'}"]
    config = compose("train", words, [str(tmp_path)], with_hydra=True)
    expected = {"bn_optimizer.lr-0.001": [99.49], "bn_optimizer.lr-0.01": [99.49]}
    assert make_plan(config).declared["published"] == expected
    schema.study(make_plan(config).declared)
