"""The figures of the report: each below the heading that it names."""

from dnnx.reports import page
from dnnx.reports.figures.drawing import MAX_ARMS
from dnnx.reports.findings import Findings

PLACE = 25
UNDRAWN = (
    f"More than {MAX_ARMS} arms cannot be told apart in one figure, so layers, confusion matrices and test images are "
    "not drawn; python -m dnnx.compare draws them for the run folders that it is given."
)


def applies(found: Findings) -> bool:
    """Return whether there are figures."""
    return bool(found.images)


def blocks(found: Findings) -> list[page.Block]:
    """Return the figures with their captions, the learning curves first; those of the answer stand there."""
    headings = dict.fromkeys(image.section for image in found.images if image.section != "Answer")
    blocks: list[page.Block] = []
    for heading in sorted(headings, key=lambda heading: heading == "Figures"):
        blocks += [page.Heading(heading), *found.images_of(heading)]
    return [*blocks, *([page.Text(UNDRAWN)] if len(found.study.runs) > MAX_ARMS else [])]
