"""The report of a single run, in its own folder; a study has one report for all its arms."""

import os
from pathlib import Path

from dnnx.basics.console import console
from dnnx.reports.report import build


def report_on(folder: Path) -> None:
    """Write report.html into a run's folder if the run is finished, and print its path."""
    if not (folder / "results.json").exists():
        return
    made = build([folder], folder, force=True)
    console.print(f"report: {os.path.relpath(made.html)}", soft_wrap=True)
