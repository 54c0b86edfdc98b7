"""Cost: parameters, seconds and memory."""

import numpy as np

from dnnx.reports import page
from dnnx.reports.findings import Findings
from dnnx.reports.format import number
from dnnx.runs.run import Run

PLACE = 45
COUNTS = {"params/total": "parameters", "params/trainable": "trainable"}
TIMES = {
    "time/epoch_s": "seconds per epoch",
    "time/fit_s": "seconds in all",
    "time/test_s": "seconds to predict",
    "memory/peak_mb": "peak memory, MB",
}


def applies(found: Findings) -> bool:
    """Return whether any run has results."""
    return any(run.results for run in found.study.runs)


def blocks(found: Findings) -> list[page.Block]:
    """Return the table of costs."""
    head = ["arm", *COUNTS.values(), *TIMES.values()]
    caption = (
        "Parameters are of one network; seconds and memory of all seeds of an arm together, once per run (n = 1), "
        "and where seeds were trained in parts, the sum of their seconds; "
        "those to predict are for the test set, the fastest of several passes."
    )
    if merged := [run.name for run in found.study.runs if run.is_merged]:
        caption += f" {', '.join(merged)} trained as one network, so none has seconds and memory of its own."
    return [page.Heading("Cost", folded=True), page.Table(caption, head, [_row(run) for run in found.study.runs])]


def _row(run: Run) -> list[str]:
    counts = [run.one(metric) for metric in COUNTS]
    times = [run.fit_seconds() if metric == "time/fit_s" else run.one(metric) for metric in TIMES]
    shown = [*(f"{x:,.0f}" for x in counts), *(number(x) for x in times)]
    missing = np.isnan([*counts, *times])
    return [run.name, *("not measured" if gone else cell for cell, gone in zip(shown, missing, strict=True))]
