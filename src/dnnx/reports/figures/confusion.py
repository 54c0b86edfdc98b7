"""Confusion matrices of the test set."""

import math
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from dnnx.reports.figures.drawing import COLORS, WIDTH, Drawing, class_names
from dnnx.reports.threshold import at_chosen
from dnnx.runs.run import Run, Study

PLACE = 62
MAX_LETTERS = 20  # of class names side by side under a matrix


def plan(study: Study) -> list[Drawing]:
    """Return the figure of all runs that counted predicted classes."""
    caption = f"Test {study.items} by true and predicted class, summed over seeds; errors shaded by share of their row."
    runs = [
        run
        for run in study.reference_first
        if any(matrix is not None for matrix in run.results.get("test/confusion", []))
    ]
    return [Drawing("confusion", caption + at_chosen(study), runs, partial(draw, runs))]


def draw(runs: Sequence[Run]) -> Figure:
    """Draw the counts summed over the seeds, row: true class; errors are shaded by their share of the row."""
    columns = 2 if all(len(_counts(run)) <= 5 for run in runs) else 1
    rows = math.ceil(len(runs) / columns)
    figure = Figure(figsize=(WIDTH, WIDTH / columns * rows))
    for axes, run in zip_longest(figure.subplots(rows, columns, squeeze=False).flat, runs):
        axes.set_axis_off() if run is None else _matrix(axes, run)
    return figure


def _counts(run: Run) -> np.ndarray:
    return np.sum([m for m in run.results["test/confusion"] if m is not None], axis=0)


def _matrix(axes: Axes, run: Run) -> None:
    counts = _counts(run)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(share, 0)
    shade = np.zeros((*share.shape, 4))
    shade[..., :3] = to_rgba(COLORS[0])[:3]
    shade[..., 3] = 0.7 * share / (share.max() or 1)
    axes.imshow(shade, interpolation="nearest")
    names = class_names(run, len(counts))
    if len(counts) <= 12:
        for (i, j), count in np.ndenumerate(counts):
            axes.text(j, i, str(int(count)), ha="center", va="center", fontsize=7, alpha=1 if count else 0.4)
        axes.set(xticks=range(len(counts)), yticks=range(len(counts)), xticklabels=names, yticklabels=names)
        if len(counts) * max(len(str(name)) for name in names) > MAX_LETTERS:
            axes.tick_params("x", rotation=90)
    axes.set(title=run.name, xlabel="predicted", ylabel="true")
    axes.grid(False)
