"""Files that are missing, unreadable, or from elsewhere."""

from dnnx.reports import page
from dnnx.reports.findings import Findings

NOTHING = "Nothing: every file of every run was there and could be read."


def applies(found: Findings) -> bool:
    """Always: a whole study is said to be whole."""
    return True


def blocks(found: Findings) -> list[page.Block]:
    """Return all notes."""
    notes = list(found.notes)
    return [page.Heading("What is missing"), page.Bullets(notes) if notes else page.Text(NOTHING)]
