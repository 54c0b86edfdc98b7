"""The claims of all result files that are undecided, each with the number of seeds that would decide it."""

import re
from collections.abc import Mapping
from typing import Any

Record = Mapping[str, Any]
UNKNOWN = "not known"  # where seeds diverge, or count as 0 or 1, no number can be estimated


def table(records: Mapping[str, Record]) -> str:
    """Return a table with a line for each undecided claim, those that need the fewest seeds first."""
    rows = [
        (*_asked(claim["says"]), f"| `{name}` | {claim['phrase']} | {claim['n']} |")
        for name, record in records.items()
        for claim in record["claims"]
        if claim["answer"] == "undecided"
    ]
    head = ["| study | claim | seeds | more that would decide |", "|---|---|---|---|"]
    return "\n".join([*head, *(f"{line} {words} |" for _, words, line in sorted(rows, key=lambda row: row[0]))])


def _asked(says: str) -> tuple[float, str]:
    """Return how many seeds a claim's sentence asks for: the number first told, and all in few words.

    >>> _asked("Undecided whether b is better than a: 2 against 1, n = 5 seeds; about 12 more seeds would decide.")
    (12, 'about 12')
    >>> _asked("Undecided, n = 5 seeds; a new study of about 8 seeds would decide, or about 20 seeds added")
    (8, 'about 20, or a new study of 8')
    """
    if "test the same rows again" in says:
        return float("inf"), "none: more rows would help"
    first = re.search(r"about ([\d,]+) (?:more )?seed", says)
    if first is None:
        return float("inf"), UNKNOWN
    added = re.search(r"or about ([\d,]+) seeds added", says)
    words = f"about {added[1]}, or a new study of {first[1]}" if added else f"about {first[1]}"
    return int(first[1].replace(",", "")), words
