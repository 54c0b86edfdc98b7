"""A study that is run again with other seeds leaves its answers beside the first ones, and is counted."""

from typing import Any

import pytest

from benchmarks import results
from benchmarks.repeats import counts, of_other_seeds, put_together, repeated, table
from benchmarks.result_pages import expand

KNOWN = results.records()


def claim(arm: str, answer: str) -> dict[str, Any]:
    return {"metric": "test/accuracy", "arm": arm, "than": "plain", "answer": answer}


def test_answers_that_come_again_fade_or_turn_are_counted() -> None:
    first = [claim("a", "yes"), claim("b", "yes"), claim("c", "same"), claim("d", "undecided"), claim("e", "no")]
    second = [claim("a", "yes"), claim("b", "no"), claim("c", "undecided"), claim("d", "yes")]
    record = {"claims": first, "repeated": {"seeds": "100 101", "claims": second}}
    assert counts(record) == {"again": 1, "another": 1, "undecided": 2}
    assert table({"s": record, "t": {}}).splitlines()[2:] == [
        "| s | 2 | 4 | 1 | 2 | 1 |",
        "| **all** |  | 4 | 1 | 2 | 1 |",
    ]


@pytest.mark.parametrize(("seeds", "others"), [("100 101", True), ("4 100", False)])
def test_one_seed_that_was_looked_at_makes_a_study_no_repetition(seeds: str, others: bool) -> None:
    known = KNOWN["bn_vs_plain"]
    arms = {name: arm | {"seeds": seeds} for name, arm in known["arms"].items()}
    measured = known | {"arms": arms}
    assert of_other_seeds(measured, known) is others
    assert repeated(measured)["seeds"] == seeds
    assert len(repeated(measured)["claims"]) == len(known["claims"])


def test_a_repetition_stays_beside_more_seeds_and_goes_when_the_study_changes() -> None:
    known = KNOWN["bn_vs_plain"]
    others = known | {"arms": {name: arm | {"seeds": "100 101"} for name, arm in known["arms"].items()}}
    kept = put_together(others, known, changed=False)
    assert kept == {**known, "repeated": repeated(others)}
    more = known | {"minutes": 99.0}
    assert put_together(more, kept, changed=False) == {**more, "repeated": kept["repeated"]}
    assert put_together(more, kept, changed=True) == more
    assert put_together(more, None, changed=False) == more


def test_a_page_shows_the_table() -> None:
    assert expand("all repeats", KNOWN, {}).startswith("\n| study | seeds | decided answers |")
