"""Convergence: the epoch at which each arm reaches the reference's best validation loss."""

import numpy as np

from dnnx.reports import page
from dnnx.reports.findings import Findings, cell
from dnnx.reports.format import show
from dnnx.reports.measures import reach, reference_targets
from dnnx.runs.run import Run

PLACE = 30
FINALS = {"epoch/best": "best epoch", "epoch/last": "last epoch", "val/loss": "best val loss"}


def applies(found: Findings) -> bool:
    """Return whether any run has a validation loss by epoch, or at its best."""
    return any(len(run.curve("val", "loss")) or "val/loss" in run.results for run in found.study.runs)


def blocks(found: Findings) -> list[page.Block]:
    """Return the table of first epochs and seconds."""
    study = found.study
    reference = study.run(study.reference)
    assert reference is not None, "read_study makes sure of the reference"
    head = ["arm", "seeds that reach it", "median epoch", "median seconds", *FINALS.values()]
    caption = (
        f"First epoch with a validation loss no higher than the best of {study.reference}: of the same seed, or its "
        "mean where the seeds are others. Seeds that never reach it count as later than any. The reference always "
        "reaches it, so verdicts race to the loss that both arms reach instead: the higher of their two bests. Seconds "
        f"are wall time with all seeds of an arm trained together. {found.stamp}"
    )
    return [
        page.Heading("Convergence", folded=True),
        page.Table(caption, head, [_row(run, reference) for run in study.runs]),
    ]


def _row(run: Run, reference: Run) -> list[str]:
    targets = reference_targets(run, reference)
    epochs, seconds = (reach(run, targets, f"convergence/{unit}").dropna() for unit in ("epochs", "seconds"))
    reached = f"{np.isfinite(epochs).sum()} of {len(epochs)}" if len(epochs) else "not measured"
    medians = [show(float(np.median(x))) if len(x) else "not measured" for x in (epochs, seconds)]
    return [run.name, reached, *medians, *(cell(run, metric) for metric in FINALS)]
