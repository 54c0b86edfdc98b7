"""Numbers of docs/reliability.md that programs count: docs/counts/<name>.json, shown between markers of the page.

`<!-- count: mutants all killed -->181<!-- /count -->` shows counts["all"]["killed"] of docs/counts/mutants.json.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.markers import fill

DOCS = Path(__file__).parents[2] / "docs"
PAGE, COUNTS = DOCS / "reliability.md", DOCS / "counts"


def write(name: str, counts: dict[str, Any]) -> None:
    """Write the counts of a program, and show them on the page."""
    COUNTS.mkdir(exist_ok=True)
    (COUNTS / f"{name}.json").write_text(json.dumps(counts, indent=1) + "\n")
    PAGE.write_text(rendered(PAGE.read_text()))


def rendered(page: str) -> str:
    """Return the page with the number of every marker as docs/counts/ has it."""
    return fill(page, "count", _number)


def _number(words: str) -> str:
    name, *keys = words.split()
    value = json.loads((COUNTS / f"{name}.json").read_text())
    for key in keys:
        value = value[key]
    return f"{value:,}" if isinstance(value, int) else str(value)
