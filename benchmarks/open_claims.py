"""The claims of all result files that are undecided, each with the number of seeds that would decide it."""

from collections.abc import Mapping
from typing import Any

from dnnx.reports.answers import SAME_ROWS

Record = Mapping[str, Any]
HEAD = "| study | claim | seeds | a new study of | or seeds added to these |\n|---|---|---|---|---|"


def table(records: Mapping[str, Record]) -> str:
    """Return a table with a line for each undecided claim, those that need the fewest seeds first."""
    claims = [(name, claim) for name, record in records.items() for claim in record["claims"]]
    rows = [(name, claim) for name, claim in claims if claim["answer"] == "undecided"]
    rows.sort(key=lambda row: row[1]["enough"]["new"] or float("inf"))
    return "\n".join([HEAD, *(_line(name, claim) for name, claim in rows)])


def _line(name: str, claim: Record) -> str:
    new, added = (f"{count:,}" if (count := claim["enough"][key]) else "" for key in ("new", "added"))
    unknown = "more rows would help" if claim["enough"]["why"] == SAME_ROWS else "not known"
    return f"| `{name}` | {claim['phrase']} | {claim['n']} | {new or unknown} | {added} |"
