"""The list of undecided claims: each once, those that need the fewest seeds first."""

from benchmarks.open_claims import table


def claim(answer: str, phrase: str, says: str) -> dict[str, object]:
    return {"answer": answer, "phrase": phrase, "says": f"Undecided whether {phrase}: 2 against 1, {says}", "n": 5}


def test_open_claims_are_listed_with_the_seeds_that_they_take() -> None:
    records = {
        "one": {
            "claims": [
                claim("undecided", "a > b", "n = 5 seeds, look 3 of 3."),
                claim("yes", "b > c", "n = 5 seeds; about 1 more seed would decide."),
                claim("undecided", "c > d", "n = 5 seeds; about 1,200 more seeds would decide."),
            ]
        },
        "two": {
            "claims": [
                claim(
                    "undecided",
                    "e > f",
                    "n = 5 seeds; a new study of about 6 seeds would decide, or about 9 seeds added.",
                ),
                claim("undecided", "g > h", "n = 5 seeds; more seeds only test the same rows again."),
                claim("undecided", "i > j", "n = 5 seeds; about 1 more seed would decide."),
            ]
        },
    }
    assert table(records).splitlines()[2:] == [
        "| `two` | i > j | 5 | about 1 |",
        "| `two` | e > f | 5 | about 9, or a new study of 6 |",
        "| `one` | c > d | 5 | about 1,200 |",
        "| `one` | a > b | 5 | not known |",
        "| `two` | g > h | 5 | none: more rows would help |",
    ]


def test_decided_claims_are_not_listed() -> None:
    assert len(table({"one": {"claims": [claim("yes", "a > b", "n = 5 seeds.")]}}).splitlines()) == 2
