"""The learning-rate search: training loss while the rate grew, and validation loss at each rate of the grid."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from dnnx.reports.figures.drawing import COLORS, INK, WIDTH, Drawing
from dnnx.runs.run import Run, Study
from dnnx.runs.schema import is_finite

PLACE = 60
SEARCHES = {"range": "training loss, range test", "grid": "validation loss"}  # stages of lr_search.csv


def plan(study: Study) -> list[Drawing]:
    """Return the figure of all runs that searched."""
    caption = (
        "Learning-rate search: training loss while the rate grew with each step, least validation loss at "
        "each rate; thin lines are seeds, thick ones their mean, the dashed line the rate that was chosen."
    )
    runs = [run for run in study.reference_first if run.lr_search is not None]
    return [Drawing("lr_search", caption, runs, partial(draw, runs))]


def draw(runs: Sequence[Run]) -> Figure:
    """Draw a row per arm: training loss while the rate grew, and validation loss at each rate of the grid.

    Thin lines and dots are seeds, thick ones their mean. A vertical bar marks the chosen rate.
    """
    figure = Figure(figsize=(WIDTH, 0.6 + 1.9 * len(runs)))
    for row, run in zip(figure.subplots(len(runs), 2, squeeze=False), runs, strict=True):
        assert run.lr_search is not None
        for axes, (stage, title) in zip(row, SEARCHES.items(), strict=True):
            curve = run.lr_search[run.lr_search["stage"] == stage].pivot(index="lr", columns="seed", values="loss")
            if curve.empty:
                axes.set_axis_off()
                continue
            curve = curve.replace([np.inf, -np.inf], np.nan)
            mean = curve.mean(axis=1, skipna=False)
            axes.plot(curve.index, curve, ".-" if stage == "grid" else "-", color=COLORS[1], alpha=0.35, lw=0.7)
            axes.plot(mean.index, mean, "o-" if stage == "grid" else "-", color=INK, lw=1.6, ms=5)
            if is_finite(chosen := run.setting("optimizer.lr")) and chosen > 0:
                axes.axvline(chosen, color=COLORS[0], ls="--", lw=1.4)
            axes.set(title=f"{run.name}: {title}", xlabel="learning rate", xscale="log")
            if stage == "range":
                if is_finite(first := float(mean.iloc[0])) and first > 0:
                    axes.set_ylim(0, 1.5 * first)  # higher losses are divergence
            else:
                axes.set_xticks(mean.index, [f"{rate:g}" for rate in mean.index])
                axes.xaxis.set_minor_formatter(NullFormatter())
    return figure
