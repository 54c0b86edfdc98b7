"""Hidden layers: dead units, equal units, and the gradient that reaches the bottom."""

from dnnx.reports import page
from dnnx.reports.findings import Findings
from dnnx.reports.format import show_estimate
from dnnx.reports.measures import OF_LAYERS, Measure
from dnnx.reports.statistics import estimate
from dnnx.runs.run import Run

PLACE = 40


def applies(found: Findings) -> bool:
    """Return whether any run recorded statistics of its hidden layers."""
    return any(run.hidden_layers for run in found.study.runs)


def blocks(found: Findings) -> list[page.Block]:
    """Return the table of the hidden layers."""
    head = [
        "arm", "dead units", "equal units", "log10 of the lowest layer's gradient norm at the start",
        "absolute mean activation",
    ]  # fmt: skip
    caption = (
        f"Units are dead that have one output for all validation {found.study.items}, equal that do what another "
        "unit of their layer does; shares of all hidden units, and the mean over layers of the absolute mean "
        "activation, at the best epoch."
    )
    rows = [_row(run) for run in found.study.runs if run.hidden_layers]
    return [page.Heading("Hidden layers", folded=True), page.Table(caption, head, rows)]


def _row(run: Run) -> list[str]:
    return [run.name, *(_cell(run, measure) for measure in OF_LAYERS.values())]


def _cell(run: Run, measure: Measure) -> str:
    return show_estimate(estimate(measure.of(run, ""), share=measure.about.unit == "%"), measure.about)
