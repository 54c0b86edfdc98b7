"""The report of a single run, in its own folder; a study has one report for all its arms."""

import os
from pathlib import Path

from dnnx.basics.console import console
from dnnx.reports.report import build


def report_on(folder: Path) -> None:
    """Write report.html into the folder of a finished run, and print its path."""
    made = build([folder], folder, force=True)
    console.print(f"report: {os.path.relpath(made.html)}", soft_wrap=True)
