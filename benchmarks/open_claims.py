"""The claims of all result files that are undecided, each with the number of seeds that would decide it."""

import re
from collections.abc import Mapping
from typing import Any

Record = Mapping[str, Any]
UNKNOWN = "not known"  # where seeds diverge, or count as 0 or 1, no number can be estimated


def table(records: Mapping[str, Record]) -> str:
    """Return a table with a line for each undecided claim, those that need the fewest seeds first."""
    rows = [
        (_more(claim["says"]), f"| `{name}` | {claim['phrase']} | {claim['n']} | {_words(claim['says'])} |")
        for name, record in records.items()
        for claim in record["claims"]
        if claim["answer"] == "undecided"
    ]
    head = ["| study | claim | seeds | more that would decide |", "|---|---|---|---|"]
    return "\n".join([*head, *(line for _, line in sorted(rows, key=lambda row: row[0]))])


def _more(says: str) -> float:
    found = re.search(r"about ([\d,]+) (?:more )?seed", says)
    return int(found[1].replace(",", "")) if found else float("inf")


def _words(says: str) -> str:
    """Return how many more seeds a claim's sentence asks for, in few words.

    >>> _words("Undecided whether b is better than a: 2 against 1, n = 5 seeds; about 12 more seeds would decide.")
    'about 12'
    >>> _words("Undecided, n = 5 seeds; a new study of about 8 seeds would decide, or about 20 seeds added")
    'about 20, or a new study of 8'
    """
    if "test the same rows again" in says:
        return "none: more rows would help"
    more = _more(says)
    if more == float("inf"):
        return UNKNOWN
    added = re.search(r"or about ([\d,]+) seeds added", says)
    return f"about {added[1]}, or a new study of {more:,}" if added else f"about {more:,}"
