"""The commands that were typed."""

from dnnx.reports import page
from dnnx.reports.findings import Findings

PLACE = 80


def applies(found: Findings) -> bool:
    """Return True: a missing command is reported as missing."""
    return True


def blocks(found: Findings) -> list[page.Block]:
    """Return every command once."""
    typed = (str(run.environment.get("command", "not recorded")) for run in found.study.runs)
    return [page.Heading("Commands", folded=True), page.Code(list(dict.fromkeys(typed)))]
