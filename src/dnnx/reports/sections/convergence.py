"""Convergence: the epoch at which each arm reaches the reference's best validation loss."""

import numpy as np
import pandas as pd

from dnnx.reports import page
from dnnx.reports.findings import Findings, cell
from dnnx.reports.format import number
from dnnx.reports.measures import reach, reference_targets
from dnnx.reports.scales import geometric
from dnnx.reports.statistics import first_at_most
from dnnx.runs.run import Run

PLACE = 30
FACTORS = (3, 2, 1.5, 1.1, 1)  # of the loss that all arms reach
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
        f'The first epoch in which the validation loss of a seed is as low as the best of "{study.reference}" (of the '
        "same seed, or its mean where the seeds are others), and the seconds until then, with all seeds of an arm "
        "trained together. A median over the seeds; one that never arrives counts as later than any. By this measure "
        f'"{study.reference}" always arrives, so the answers about convergence take another loss, which both arms '
        f"reach: 1.1 times the higher of their two best. {geometric(FINALS)}"
    )
    if any(run.is_merged for run in study.runs):
        caption += " Arms that trained as one network have no seconds of their own."
    table = page.Table(caption, head, [_row(run, reference) for run in study.runs])
    return [page.Heading("Convergence", folded=True), table, *_at_losses(found)]


def _at_losses(found: Findings) -> list[page.Block]:
    """Return the table of first epochs at several losses, from high ones to the loss that all arms reach."""
    curves = {run.name: run.curve("val", "loss").drop(columns=run.diverged) for run in found.study.runs}
    curves = {name: curve for name, curve in curves.items() if curve.notna().any(axis=None)}
    shared = max((float(curve.min().mean()) for curve in curves.values()), default=0.0)
    if not shared > 0:
        return []
    losses = [factor * shared for factor in FACTORS]
    head = ["arm", *(f"val loss {number(loss)}" for loss in losses)]
    rows = [[name, *(_first(curve, loss) for loss in losses)] for name, curve in curves.items()]
    caption = (
        "The median over the seeds of the first epoch with a validation loss as low as this, and how many seeds reach "
        "it; one that never does counts as later than any. The last column has the highest mean best loss of an arm."
    )
    return [page.Table(caption, head, rows)]


def _first(curve: pd.DataFrame, loss: float) -> str:
    """Return the median first epoch with a loss, and the number of seeds that reach it."""
    epochs = np.array([first_at_most(curve[seed], loss) for seed in curve])
    median = float(np.median(epochs))
    shown = f"{median:g}" if np.isfinite(median) else "never"
    return f"{shown} ({np.isfinite(epochs).sum()} of {len(epochs)})"


def _median(values: pd.Series) -> str:
    """Return the median of epochs or seconds; epochs are whole, or halfway between two."""
    if not len(values):
        return "not measured"
    median = float(np.median(values))
    return "never" if np.isinf(median) else f"{median:g}" if (2 * median).is_integer() else number(median)


def _row(run: Run, reference: Run) -> list[str]:
    targets = reference_targets(run, reference)
    epochs, seconds = (reach(run, targets, f"convergence/{unit}").dropna() for unit in ("epochs", "seconds"))
    reached = f"{np.isfinite(epochs).sum()} of {len(epochs)}" if len(epochs) else "not measured"
    medians = [_median(epochs), "not measured" if run.is_merged else _median(seconds)]
    return [run.name, reached, *medians, *(cell(run, metric) for metric in FINALS)]
