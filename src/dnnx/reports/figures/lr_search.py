"""The learning-rate search: training loss while the rate grew, and validation loss at each rate of the grid."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from dnnx.reports.figures.drawing import COLORS, INK, WIDTH, Drawing
from dnnx.runs.run import Run, Study
from dnnx.runs.schema import is_finite

PLACE = 60
SEARCHES = {"range": "training loss, range test", "grid": "validation loss"}  # stages of lr_search.csv
SHOWN = {"range": "training loss while the rate grew with each step", "grid": "least validation loss at each rate"}


def plan(study: Study) -> list[Drawing]:
    """Return the figure of all runs that searched."""
    runs = [run for run in study.reference_first if run.lr_search is not None]
    shown = [words for stage, words in SHOWN.items() if any(not losses(run, stage).empty for run in runs)]
    caption = (
        f"Learning-rate search: {', '.join(shown)}; thin lines are seeds, thick ones their mean, the dashed line the "
        "rate that was chosen."
    )
    return [Drawing("lr_search", caption, runs, partial(draw, runs))]


def draw(runs: Sequence[Run]) -> Figure:
    """Draw two panels in a row, one for each arm and stage of its search.

    Thin lines and dots are seeds, thick ones their mean. A vertical bar marks the chosen rate.
    """
    found = [(run, stage, losses(run, stage)) for run in runs for stage in SEARCHES]
    panels = [panel for panel in found if not panel[2].empty]
    columns = max(1, min(2, len(panels)))
    rows = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(WIDTH, 0.6 + 1.9 * rows))
    places = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, panel in zip(places, panels, strict=False):
        draw_panel(axes, *panel)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    return figure


def losses(run: Run, stage: str) -> pd.DataFrame:
    """Return the losses of a stage: a row for each rate, a column for each seed; losses that diverged are missing."""
    assert run.lr_search is not None
    curve = run.lr_search[run.lr_search["stage"] == stage].pivot(index="lr", columns="seed", values="loss")
    return curve.replace([np.inf, -np.inf], np.nan)


def draw_panel(axes: Any, run: Run, stage: str, curve: pd.DataFrame) -> None:
    mean = curve.mean(axis=1, skipna=False)
    axes.plot(curve.index, curve, ".-" if stage == "grid" else "-", color=COLORS[1], alpha=0.35, lw=0.7)
    axes.plot(mean.index, mean, "o-" if stage == "grid" else "-", color=INK, lw=1.6, ms=5)
    if is_finite(chosen := run.setting("optimizer.lr")) and chosen > 0:
        axes.axvline(chosen, color=COLORS[0], ls="--", lw=1.4)
    axes.set(title=f"{run.name}: {SEARCHES[stage]}", xlabel="learning rate", xscale="log")
    if stage == "range":
        if is_finite(first := float(mean.iloc[0])) and first > 0:
            axes.set_ylim(0, 1.5 * first)  # higher losses are divergence
    else:
        axes.set_xticks(mean.index, [f"{rate:g}" for rate in mean.index])
        axes.xaxis.set_minor_formatter(NullFormatter())
