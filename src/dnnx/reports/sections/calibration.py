"""Calibration: how well predicted probabilities fit, beside the error that a calibrated network would show."""

from dnnx.reports import page
from dnnx.reports.calibration import calibration
from dnnx.reports.findings import Findings
from dnnx.reports.format import show_estimate
from dnnx.reports.statistics import estimate

PLACE = 37


def applies(found: Findings) -> bool:
    """Return whether any run stored probabilities of classes."""
    return any(calibration(run) is not None for run in found.study.runs)


def blocks(found: Findings) -> list[page.Block]:
    """Return the table of calibration errors with their floors, and of proper scores."""
    head = ["arm", "calibration error", "its floor", "Brier score", "NLL, nats"]
    caption = (
        "Expected calibration error on the test set in 15 bins of confidence. Its floor is the error of labels that "
        "are drawn from the predictions: a calibrated network with these outputs has it. Verdicts on calibration "
        "should use the Brier score or the NLL, which have no such floor. Means are geometric."
    )
    rows = []
    for run in found.study.runs:
        if (scores := calibration(run)) is not None:
            columns = (scores.error, scores.floor, scores.brier, scores.nll)
            rows.append([run.name, *(show_estimate(estimate(column, skewed=True)) for column in columns)])
    return [page.Heading("Calibration", folded=True), page.Table(caption, head, rows)]
