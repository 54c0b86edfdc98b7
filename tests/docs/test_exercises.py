"""The page of the exercises has every open row once, with an answer, and names studies, arms and claims that exist."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from commands import compose

from dnnx.config.paths import experiment
from dnnx.studies.claims import declared_verdicts

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "exercises.md").read_text()
ROWS = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.M)
OPEN = (
    "3 4 6 7 8 9 12 13 15 17 21 22 23 28 31 33 34 35 36 40 45 46 47 50 52 53 55 56 58 60 64 66 67 69 70 73 75 76 77 79 "
    "80 82 84 87 88 90 93 94 96 98 99 103 105 106 107 114 116 117 118 120 121 124 125 127 128 129 131 134 135 140 141 "
    "143 144 145 146 148 149 152 155 156 157 158 159 162 163 165 168 170 171"
)
MARKERS = re.findall(r"<!-- result: (\w+) (\w+) ?(.*?) -->", PAGE)
NAMED = re.findall(r"`(\w+)`: ((?:[a-z]\w*(?: \([^)]*\))?(?:, | and )?)+)", " ".join(cells for _, cells in ROWS))


@cache
def study(name: str) -> Any:
    assert experiment(name) is not None, f"{name} is no experiment"
    return compose(f"+exp={name}").study


def arm_of(run: str, name: str) -> str:
    """Return the arm of a run whose name may have swept keys behind it: `bn_optimizer.lr-0.1` -> `bn`."""
    axes = study(name).axes or {}
    return next((run.partition(f"_{key}-")[0] for key in axes if f"_{key}-" in run), run)


def test_every_open_row_is_there_once_with_all_its_cells() -> None:
    assert [number for number, _ in ROWS] == OPEN.split()
    cells = {number: re.split(r"\s*\|\s*", row) for number, row in ROWS}
    assert [number for number, (asked, answer, *_) in cells.items() if not asked or not answer] == []
    assert [number for number, row in cells.items() if len(row) != 4] == []


def test_no_row_is_answered_in_part() -> None:
    assert "partly" not in PAGE
    assert not re.search(r"\| [A-Z_]{4,}\d* \|", PAGE)


@pytest.mark.parametrize(("name", "what", "words"), sorted(set(MARKERS)))
def test_a_number_is_of_an_arm_and_an_answer_of_a_claim_that_the_study_declares(
    name: str, what: str, words: str
) -> None:
    """A study without a result file would take any words."""
    arms = study(name).arms
    if what in ("number", "mean", "beside"):
        assert arm_of(words.split()[0], name) in arms
    if what in ("verdict", "gap"):
        arm, than, metric = words.split()
        claims = [(v["arm"], v["than"], v["metric"]) for v in declared_verdicts(study(name))]
        assert (arm_of(arm, name), arm_of(than, name), metric) in claims


def test_an_arm_that_a_row_names_is_one_of_its_study() -> None:
    found = [(name, re.sub(r" \([^)]*\)", "", arms)) for name, arms in NAMED if experiment(name) is not None]
    assert len(found) > 40
    wrong = [f"{name}: {arm}" for name, arms in found for arm in re.split(", | and ", arms.strip(", "))
             if arm and arm.split()[0] not in study(name).arms and study(name).arms != {}]  # fmt: skip
    assert wrong == []
