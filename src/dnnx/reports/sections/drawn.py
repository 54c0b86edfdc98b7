"""The figures of the report."""

from dnnx.reports import page
from dnnx.reports.figures.drawing import MAX_ARMS
from dnnx.reports.findings import Findings

PLACE = 60
UNDRAWN = (
    f"More than {MAX_ARMS} arms cannot be told apart in one figure, so learning curves, layers, confusion "
    "matrices and test images are not drawn; python -m dnnx.compare draws them for the run folders that it is given."
)


def applies(found: Findings) -> bool:
    """Return whether there are figures."""
    return bool(found.images)


def blocks(found: Findings) -> list[page.Block]:
    """Return the figures with their captions."""
    return [
        page.Heading("Figures"),
        *([page.Text(UNDRAWN)] if len(found.study.runs) > MAX_ARMS else []),
        *[page.Image(image.svg, f"{image.caption} {found.stamp}") for image in found.images],
    ]
