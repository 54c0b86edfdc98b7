"""Every weight of small networks by epoch."""

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from dnnx.reports.figures.drawing import DASHES, WIDTH, Drawing, color
from dnnx.runs.run import Run, Study

PLACE = 94
MAX_NAMED = 12  # weights in a legend


def plan(study: Study) -> list[Drawing]:
    """Return the figure of all runs that recorded their weights."""
    caption = "Every weight and bias by epoch, of the first seed of each arm. A parameter is named by its layer."
    runs = [run for run in study.reference_first if run.curves("weights")]
    return [Drawing("weights", caption, runs, partial(draw, runs))]


def draw(runs: Sequence[Run]) -> Figure:
    """Draw one panel per arm, a line per weight; the lines of a parameter share a colour."""
    figure = Figure(figsize=(WIDTH, 2.4 * len(runs)))
    for axes, run in zip(figure.subplots(len(runs), 1, squeeze=False)[:, 0], runs, strict=True):
        names = run.curves("weights")
        owners = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
        for name in names:
            owner, _, place = name.rpartition(".")
            curve = run.curve("weights", name).iloc[:, 0]
            dash = (0, DASHES[int(place) % len(DASHES)]) if int(place) else "-"
            axes.plot(curve.index, curve, color=color(owners.index(owner)), ls=dash, lw=1.2, label=name)
        axes.set(title=run.name, xlabel="epoch", ylabel="value")
        if len(names) <= MAX_NAMED:
            axes.legend(fontsize=7, ncols=3)
    return figure
