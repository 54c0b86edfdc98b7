"""The main metric on the test set: every seed as a dot, and the mean of each arm."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from dnnx.reports.figures.drawing import Drawing, color
from dnnx.reports.findings import estimate_of
from dnnx.reports.format import label
from dnnx.reports.threshold import at_chosen
from dnnx.runs.about import split_of
from dnnx.runs.run import Run, Study

PLACE = 20


def plan(study: Study) -> list[Drawing]:
    """Return the figure of the main metric, of all arms that have it."""
    main = study.main
    runs = [run for run in study.reference_first if run.values(main).notna().any()]
    name = main.replace("/", " ").capitalize()
    caption = f"{name}: single seeds as dots, mean and 95 % t interval.{at_chosen(study)}"
    return [Drawing(split_of(main)[1], caption, runs, partial(draw, runs, main), crowded=True)]


def draw(runs: Sequence[Run], metric: str) -> Figure:
    """Draw a row per arm: its seeds as dots, their mean with its 95 % t interval."""
    figure = Figure(figsize=(9, 1.2 + 0.45 * len(runs)))
    axes = figure.subplots()
    about = runs[0].about(metric)
    for i, run in enumerate(runs):
        values, e = about.scale * run.values(metric).dropna(), estimate_of(run, metric)
        above_and_below = i + 0.2 * np.cos(np.pi * np.arange(len(values)))
        axes.plot(values, above_and_below, "o", color=color(i), alpha=0.7, ms=4.5, mew=0)
        if e.n:
            half = [[about.scale * (e.mean - e.low)], [about.scale * (e.high - e.mean)]] if e.n > 1 else None
            axes.errorbar(about.scale * e.mean, i, xerr=half, fmt="D", color=color(i), ms=7, capsize=5, lw=2)
    axes.set(yticks=range(len(runs)), yticklabels=[run.name for run in runs], xlabel=label(metric, about))
    axes.set_ylim(len(runs) - 0.5, -0.5)
    return figure
