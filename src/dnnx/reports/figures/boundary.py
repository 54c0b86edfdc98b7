"""Decision boundaries of networks of two features."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from dnnx.reports.figures.drawing import COLORS, WIDTH, Drawing
from dnnx.runs.run import Run, Study

PLACE = 92
MAX_SEEDS = 4  # networks of an arm side by side
KEYS = ("boundary", "boundary_ends", "boundary_x", "boundary_y")


def plan(study: Study) -> list[Drawing]:
    """Return the figure of all runs that stored their outputs over the plane."""
    caption = (
        "Decision boundaries: a row per arm, its first seeds. Shades: which class the network says; the line is where "
        "it changes. Points: test examples, in the colour of their class."
    )
    runs = [run for run in study.reference_first if _is_drawable(run)]
    return [Drawing("boundary", caption, runs, partial(draw, runs))]


def draw(runs: Sequence[Run]) -> Figure:
    """Draw one panel per network, a row per arm."""
    columns = min(MAX_SEEDS, max(len(run.predictions["boundary"]) for run in runs))
    figure = Figure(figsize=(WIDTH, (WIDTH / columns + 0.3) * len(runs)))
    panels = figure.subplots(len(runs), columns, squeeze=False, sharex=True, sharey=True)
    for row, run in zip(panels, runs, strict=True):
        row[0].set_ylabel(run.name)
        for place, axes in enumerate(row):
            axes.grid(False)
            if place >= len(run.predictions["boundary"]):
                axes.set_axis_off()
                continue
            _panel(axes, run, place)
            axes.set_title(f"seed {run.seeds[place]}", fontsize=8)
    return figure


def _panel(axes: Axes, run: Run, place: int) -> None:
    scores, ends, x, y = (run.predictions[key] for key in KEYS)
    along = [np.linspace(low, high, scores.shape[-1]) for low, high in ends.T]
    own = scores[place]
    if own.min() < 0 < own.max():
        axes.contourf(*along, own > 0, levels=[-0.5, 0.5, 1.5], colors=COLORS[:2], alpha=0.2)
        axes.contour(*along, own, levels=[0.0], linewidths=1)
    else:
        axes.set_facecolor(to_rgba(COLORS[int(own.max() > 0)], 0.2))
    for label in (0, 1):
        of_class = x[y == label]
        axes.plot(of_class[:, 0], of_class[:, 1], ".", color=COLORS[label], ms=8 if len(x) < 10 else 2)


def _is_drawable(run: Run) -> bool:
    found = run.predictions
    if not set(KEYS) <= set(found):
        return False
    grids, ends, x, y = (found[key] for key in KEYS)
    return grids.ndim == 3 and ends.shape == (2, 2) and x.ndim == 2 and x.shape[1] == 2 and y.shape == x.shape[:1]
