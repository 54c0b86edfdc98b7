"""Published numbers beside the arms: in the interval, in the range of the seeds, or outside."""

from dnnx.reports import page
from dnnx.reports.findings import Findings, cell
from dnnx.reports.format import suffix
from dnnx.reports.published import place_of

PLACE = 22


def applies(found: Findings) -> bool:
    """Return whether the study declares published numbers."""
    return bool(found.study.published)


def blocks(found: Findings) -> list[page.Block]:
    """Return the table of the published numbers."""
    study, metric = found.study, found.study.main
    unit = suffix(study.about(metric))
    rows = [
        [run.name, f"{number:g}{unit}", place_of(run, metric, number), cell(run, metric)]
        for run in study.runs
        for number in study.published.get(run.name, ())
    ]
    caption = (
        "A published number is of one training, so it may lie anywhere in the range of the seeds; outside of it, the "
        "recipe, the data or luck differs. The interval is that of the mean over the seeds."
    )
    return [page.Heading("Published numbers"), page.Table(caption, ["arm", "published", "it lies", "here"], rows)]
