"""Overfitting: the gap between training and test set, and the rise of the validation loss."""

from dnnx.reports import page
from dnnx.reports.findings import Findings, cell
from dnnx.reports.format import show_estimate
from dnnx.reports.measures import describe, describe_gap, gap, rise
from dnnx.reports.statistics import estimate
from dnnx.runs.about import split_of
from dnnx.runs.run import Run

PLACE = 35


def applies(found: Findings) -> bool:
    """Return whether any run has results or a curve of the validation loss."""
    return any(run.results or len(run.curve("val", "loss")) for run in found.study.runs)


def blocks(found: Findings) -> list[page.Block]:
    """Return the table of gaps and rises."""
    main = found.study.main
    split, rest = split_of(main)
    of_gap = describe_gap(found.study.reference_first)
    head = ["arm", f"train {rest}", f"{split} {rest}", of_gap.words.removesuffix(f" {rest}"), "rise of val loss"]
    caption = "Best weights in evaluation mode; the rise is the validation loss of a seed's last epoch minus its best."

    def row(run: Run) -> list[str]:
        gaps = show_estimate(estimate(gap(run, main)), of_gap)
        rises = show_estimate(estimate(rise(run)), describe("overfitting/rise", [run]))
        return [run.name, cell(run, f"train/{rest}"), cell(run, main), gaps, rises]

    rows = [row(run) for run in found.study.runs]
    return [page.Heading("Overfitting", folded=True), page.Table(caption, head, rows)]
