"""The commands that were typed."""

import shlex

from dnnx.reports import page
from dnnx.reports.findings import Findings
from dnnx.runs.run import Run
from dnnx.runs.tables import AND

PLACE = 80


def command_of(run: Run) -> str:
    """Return the command of a run as it was typed: without the folders that dnnx adds for Hydra."""
    return AND.join(map(_as_typed, str(run.environment.get("command") or "").split(AND)))


def _as_typed(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:  # a quote without its partner
        return command
    return shlex.join(word for word in words if not word.startswith(("hydra.run.", "hydra.sweep.")))


def applies(found: Findings) -> bool:
    """Return True: a missing command is reported as missing."""
    return True


def blocks(found: Findings) -> list[page.Block]:
    """Return every command once."""
    typed = (command_of(run) or "not recorded" for run in found.study.runs)
    return [page.Heading("Commands", folded=True), page.Code(list(dict.fromkeys(typed)))]
