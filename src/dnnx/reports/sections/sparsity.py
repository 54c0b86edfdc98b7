"""Sparsity: the share of zero weights, and the bytes and seconds that it saves."""

from dnnx.reports import page
from dnnx.reports.figures.along import along_zeros
from dnnx.reports.findings import Findings, cell
from dnnx.reports.format import show
from dnnx.runs.run import Run

PLACE = 55
SIZES = {
    "sparsity": "weights that are zero",
    "size/dense_bytes": "bytes",
    "size/sparse_bytes": "bytes in sparse rows",
}
TIMES = {"time/dense_s": "seconds", "time/sparse_s": "seconds in sparse rows"}


def applies(found: Findings) -> bool:
    """Return whether a weight of any arm is zero."""
    return bool(along_zeros(found.study))


def blocks(found: Findings) -> list[page.Block]:
    """Return the table of zeros."""
    caption = (
        "Share of the best linear weights that is exactly zero; one network as a safetensors file, dense and with its "
        "linear weights in compressed sparse rows; wall seconds for the test set by one network, dense and in those "
        "rows, the fastest of several passes (n = 1). Only the share is measured where no weight is zero. "
        "Means of bytes are geometric."
    )
    head = ["arm", *SIZES.values(), *TIMES.values()]
    return [
        page.Heading("Zero weights", folded=True),
        page.Table(caption, head, [_row(run) for run in found.study.runs]),
    ]


def _row(run: Run) -> list[str]:
    return [run.name, *(cell(run, metric) for metric in SIZES), *(show(run.one(metric)) for metric in TIMES)]
