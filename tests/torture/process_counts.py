"""The counts of disturbed processes in docs/counts/processes.json, which grow piece by piece.

`failures` are tries that failed when they were first made, `left` those that still fail when they are made again.
"""

import json
from collections.abc import Sequence
from typing import Any

import counted
from torture.attempts import KINDS, Planned

FILE = counted.COUNTS / "processes.json"


def there(seed: int) -> dict[str, Any]:
    """Return the counts of a seed so far."""
    found = json.loads(FILE.read_text()) if FILE.exists() else {}
    if found.get("seed") == seed:
        return found
    return {"seed": seed, **{kind: {"tries": 0, "failures": 0, "left": 0} for kind in ("all", *KINDS)}, "failed": []}


def add(seed: int, made: Sequence[Planned], failed: Sequence[Planned]) -> None:
    """Write the counts with those of new tries, or of tries that failed before and were made again."""
    counts = there(seed)
    first, again = counts["all"]["tries"], [one for one in made if one.number < counts["all"]["tries"]]
    for one in made:
        for name in ("all", one.kind):
            counts[name]["tries"] += one.number >= first
            counts[name]["failures"] += one.number >= first and one in failed
            counts[name]["left"] += (one in failed) - (one in again)
    done = [one.number for one in made]
    kept = [number for number in counts["failed"] if number not in done]
    counts["failed"] = sorted([*kept, *(one.number for one in failed)])
    counted.write("processes", counts)
