"""A study that is run again with other seeds leaves its answers beside the first ones, and is counted."""

from typing import Any

import pytest

from benchmarks import results
from benchmarks.repeats import counts, of_other_seeds, put_together, repeated, table
from benchmarks.result_pages import expand
from dnnx.basics.errors import UserError

KNOWN = results.records()


def claim(arm: str, answer: str) -> dict[str, Any]:
    return {"metric": "test/accuracy", "arm": arm, "than": "plain", "answer": answer}


def test_answers_that_come_again_fade_turn_or_open_are_counted() -> None:
    first = [claim("a", "yes"), claim("b", "yes"), claim("c", "same"), claim("d", "undecided"), claim("e", "no")]
    second = [claim("a", "yes"), claim("b", "no"), claim("c", "yes"), claim("d", "yes"), claim("e", "undecided")]
    again = {"seeds": "100 101", "claims": second}
    assert counts(first, again) == {"again": 1, "contrary": 1, "undecided": 1, "another": 1, "opened": 1}
    more = {"seeds": "200 201 202", "claims": second}
    record = {"claims": first, "repeated": [again, more], "arms": {"a": {"seeds": "0 1 2"}}}
    facts = {"claims": [claim("a", "yes") | {"fact": True}], "repeated": [again], "arms": {}}
    assert table({"s": record, "t": {}, "u": facts}).splitlines()[2:] == [
        "| s | 2 | 3 | 4 | 1 | 1 | 1 | 1 | 1 |",
        "| s | 3 | 3 | 4 | 1 | 1 | 1 | 1 | 1 |",
        "| **all** |  |  | 8 | 2 | 2 | 2 | 2 | 2 |",
        "| **with as many seeds** |  |  | 4 | 1 | 1 | 1 | 1 | 1 |",
    ]


def test_a_claim_that_a_repetition_lacks_is_no_undecided_one() -> None:
    with pytest.raises(KeyError):
        counts([claim("a", "yes")], {"seeds": "100", "claims": []})


@pytest.mark.parametrize(("seeds", "others"), [("100 101", True), ("4 100", False)])
def test_one_seed_that_was_looked_at_makes_a_study_no_repetition(seeds: str, others: bool) -> None:
    known = KNOWN["bn_vs_plain"]
    arms = {name: arm | {"seeds": seeds} for name, arm in known["arms"].items()}
    measured = known | {"arms": arms}
    assert of_other_seeds(measured, known) is others
    assert repeated(measured)["seeds"] == seeds
    assert len(repeated(measured)["claims"]) == len(known["claims"])


def of_seeds(seeds: str) -> dict[str, Any]:
    known = {key: value for key, value in KNOWN["bn_vs_plain"].items() if key != "repeated"}
    return known | {"arms": {name: arm | {"seeds": seeds} for name, arm in known["arms"].items()}}


def test_a_repetition_stays_beside_more_seeds_and_goes_when_the_study_changes() -> None:
    known, others, more = of_seeds("0 1"), of_seeds("100 101"), of_seeds("0 1 2")
    kept = put_together(others, known, changed=False)
    assert kept == {**known, "repeated": [repeated(others)]}
    assert put_together(more, kept, changed=False) == {**more, "repeated": [repeated(others)]}
    assert put_together(more, kept, changed=True) == more
    assert put_together(of_seeds("0 1 100"), kept, changed=False) == of_seeds("0 1 100")
    assert put_together(more, None, changed=False) == more


def test_a_further_repetition_has_seeds_of_its_own_and_is_of_the_same_study() -> None:
    kept = put_together(of_seeds("100 101"), of_seeds("0 1"), changed=False)
    third = of_seeds("200 201")
    assert put_together(third, kept, changed=False)["repeated"] == [*kept["repeated"], repeated(third)]
    with pytest.raises(UserError, match="seeds=101: a repetition of these seeds was looked at"):
        put_together(of_seeds("101 102"), kept, changed=False)
    with pytest.raises(UserError, match="the study has changed"):
        put_together(third, kept, changed=True)


def test_a_page_shows_the_table() -> None:
    assert expand("all repeats", KNOWN, {}).startswith("\n| study | seeds | first had | decided |")
