"""The claims of all result files that are undecided, each with the number of seeds that would decide it."""

from collections.abc import Mapping
from typing import Any

Record = Mapping[str, Any]
HEAD = "| study | claim | seeds | a new study of | or seeds added to these |\n|---|---|---|---|---|"


def table(records: Mapping[str, Record]) -> str:
    """Return a table with a line for each undecided claim, those that need the fewest seeds first."""
    claims = [(name, claim) for name, record in records.items() for claim in record["claims"]]
    rows = [(_fewest(claim), name, claim) for name, claim in claims if claim["answer"] == "undecided"]
    return "\n".join([HEAD, *(_line(name, claim) for _, name, claim in sorted(rows, key=lambda row: row[0]))])


def _fewest(claim: Record) -> float:
    """Return how many seeds there would be in all, or infinity where no number is known."""
    new, added = claim["enough"]["new"], claim["enough"]["added"]
    return new or (claim["n"] + added if added else float("inf"))


def _line(name: str, claim: Record) -> str:
    new, added = (f"{count:,}" if (count := claim["enough"][key]) else "" for key in ("new", "added"))
    unknown = "" if new or added else "more rows would help" if "rows" in claim["enough"]["why"] else "not known"
    return f"| `{name}` | {claim['phrase']} | {claim['n']} | {new or unknown} | {added} |"
