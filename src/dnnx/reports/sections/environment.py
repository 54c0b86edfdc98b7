"""The environment: versions and machines."""

from dnnx.reports import page
from dnnx.reports.findings import Findings

PLACE = 85


def applies(found: Findings) -> bool:
    """Return True: a missing environment leaves the table empty."""
    return True


def blocks(found: Findings) -> list[page.Block]:
    """Return a table of environment.json over all arms."""
    runs = [run for run in found.study.runs if run.environment]
    keys = [key for key in dict.fromkeys(key for run in runs for key in run.environment) if key != "command"]
    shown = [[key, "; ".join(dict.fromkeys(str(run.environment.get(key, "absent")) for run in runs))] for key in keys]
    caption = "Where the arms were trained; several values where arms differ."
    return [page.Heading("Environment", folded=True), page.Table(caption, ["what", "value"], shown)]
