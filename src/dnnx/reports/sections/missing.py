"""Files that are missing, unreadable, or from another version."""

from dnnx.reports import page
from dnnx.reports.findings import Findings

PLACE = 90
NOTHING = "Nothing: every file of every run was there and could be read."


def applies(found: Findings) -> bool:
    """Return True: a complete study is reported as complete."""
    return True


def blocks(found: Findings) -> list[page.Block]:
    """Return all notes."""
    notes = list(found.notes)
    return [page.Heading("What is missing", folded=True), page.Bullets(notes) if notes else page.Text(NOTHING)]
