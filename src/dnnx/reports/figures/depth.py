"""Activations and gradients through depth, before and after training."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dnnx.reports.figures.drawing import INK, WIDTH, Drawing, color, legend, line_style
from dnnx.reports.statistics import estimate
from dnnx.runs.run import Run, Study

PLACE = 45


def plan(study: Study) -> list[Drawing]:
    """Return the figure of all runs whose layer statistics begin before training."""
    caption = (
        "Activations and gradients through depth, mean over the seeds with a band of its 95 % t interval: of "
        "the initial weights in training mode, and at each seed's best epoch: activations in evaluation mode, the "
        "gradient of its last batch. A network that normalizes itself keeps to the thin lines, mean 0 and deviation 1."
    )
    layered = [run for run in study.reference_first if run.hidden_layers and len(run.curve("val", "loss"))]
    runs = [run for run in layered if (run.metrics["epoch"] == 0).any()]
    return [Drawing("depth", caption, runs, partial(draw, runs))]


def draw(runs: Sequence[Run]) -> Figure:
    """Draw mean and standard deviation of each hidden layer's activations, and its gradient, before and after training.

    A line per arm, or per tower of an arm.
    """
    figure = Figure(figsize=(WIDTH, 6.5))
    panels = figure.subplots(3, 2, sharex=True, sharey="row")
    lines = [(run, *stack) for run in runs for stack in run.hidden_layers.items()]
    ideals = {"activation_mean": 0, "activation_std": 1, "gradient_norm": None}
    for row, (statistic, ideal) in zip(panels, ideals.items(), strict=True):
        row[0].set_ylabel(statistic.replace("_", " "))
        if ideal is None:
            row[0].set_yscale("log")
        for axes in row if ideal is not None else ():
            axes.axhline(ideal, color=INK, lw=0.8, alpha=0.5)
        for i, (run, label, names) in enumerate(lines):
            start = pd.Series(0, index=run.seeds)
            _layer_line(row[0], label, i, run.through_depth(names, statistic, start))
            _layer_line(row[1], label, i, run.through_depth(names, statistic, run.values("epoch/best")))
    panels[0, 0].set_title("at initialization")
    panels[0, 1].set_title("at the best epoch")
    for axes in panels[-1]:
        axes.set_xlabel("hidden layer, from the bottom")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, panels[0, 0])
    return figure


def _layer_line(axes: Axes, label: str, arm: int, table: pd.DataFrame) -> None:
    x = [1 + int(layer.split(".")[-1]) for layer in table.index]
    estimates = [estimate(values) for values in table.to_numpy()]
    mean, low, high = ([getattr(e, part) for e in estimates] for part in ("mean", "low", "high"))
    axes.plot(x, mean, label=label, **line_style(arm))
    axes.fill_between(x, low, high, color=color(arm), alpha=0.18, lw=0)
