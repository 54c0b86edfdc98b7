"""The list of undecided claims: each once, those that need the fewest seeds first."""

from benchmarks.open_claims import table
from dnnx.reports.answers import SAME_ROWS


def claim(
    answer: str, phrase: str, new: int | None = None, added: int | None = None, why: str = ""
) -> dict[str, object]:
    enough = {"new": new, "added": added, "why": why} if answer == "undecided" else None
    return {"answer": answer, "phrase": phrase, "enough": enough, "n": 5}


def test_open_claims_are_listed_with_the_seeds_that_they_take() -> None:
    records = {
        "one": {
            "claims": [
                claim("undecided", "a > b"),
                claim("yes", "b > c"),
                claim("undecided", "c > d", 1200),
            ]
        },
        "two": {
            "claims": [
                claim("undecided", "e > f", 6, 9),
                claim("undecided", "g > h", why=SAME_ROWS),
                claim("undecided", "i > j", 7),
                claim("undecided", "k > l", 54),
            ]
        },
    }
    assert table(records).splitlines()[2:] == [
        "| `two` | e > f | 5 | 6 | 9 |",
        "| `two` | i > j | 5 | 7 |  |",
        "| `two` | k > l | 5 | 54 |  |",
        "| `one` | c > d | 5 | 1,200 |  |",
        "| `one` | a > b | 5 | not known |  |",
        "| `two` | g > h | 5 | more rows would help |  |",
    ]


def test_decided_claims_are_not_listed() -> None:
    assert len(table({"one": {"claims": [claim("yes", "a > b")]}}).splitlines()) == 2
