"""Samples: a continuation of the test text by the first network of each arm."""

from dnnx.reports import page
from dnnx.reports.findings import Findings
from dnnx.runs.run import Run

PLACE = 45


def applies(found: Findings) -> bool:
    """Return whether any arm is a language model with samples."""
    return any("samples" in run.predictions for run in found.study.runs)


def blocks(found: Findings) -> list[page.Block]:
    """Return the sample of every arm that has one."""
    runs = [run for run in found.study.runs if "samples" in run.predictions]
    caption = (
        "The first 30 tokens of the test text and 120 drawn after them, at a temperature of 0.8, by the network of the "
        "first seed of each arm (n = 1)."
    )
    return [page.Table(caption, ["arm", "sample"], [[run.name, text_of(run)] for run in runs])]


def text_of(run: Run) -> str:
    """Return the sample of the first network as text."""
    names = run.data.get("class_names") or []
    between = " " if run.setting("data.level") == "words" else ""
    return between.join(str(names[token]) for token in run.predictions["samples"][0] if token < len(names))
