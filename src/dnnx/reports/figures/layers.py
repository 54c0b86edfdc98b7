"""Statistics of the hidden layers by epoch."""

from collections.abc import Sequence
from functools import partial

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dnnx.reports.figures.drawing import WIDTH, Drawing, log_ticks, whole_ticks
from dnnx.runs.run import Run, Study

PLACE = 40
STATISTICS = ("activation_mean", "activation_std", "dead_units", "gradient_norm")
COLUMNS = 3  # arms or towers side by side; more stand below
ROW = 1.5  # inches


def plan(study: Study) -> list[Drawing]:
    """Return the figure of all runs with layer statistics."""
    caption = (
        "Hidden layers by epoch, from the bottom (dark) to the top (light), mean over the seeds: mean and "
        "standard deviation of the activations, share of dead units, norm of the gradient."
    )
    runs = [run for run in study.reference_first if run.hidden_layers and len(run.curve("val", "loss"))]
    return [Drawing("layers", caption, runs, partial(draw, runs))]


def draw(runs: Sequence[Run]) -> Figure:
    """Draw a row per statistic, a column per arm or tower, a line per hidden layer; a statistic has one scale."""
    stacks = [(run, *stack) for run in runs for stack in run.hidden_layers.items()]
    columns, blocks = min(COLUMNS, len(stacks)), -(-len(stacks) // COLUMNS)
    rows = len(STATISTICS) * blocks
    figure = Figure(figsize=(WIDTH, ROW * rows + 0.3 * blocks))
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for place, stack in enumerate(stacks):
        top, column = len(STATISTICS) * (place // COLUMNS), place % COLUMNS
        for i, statistic in enumerate(STATISTICS):
            axes = panels[top + i, column]
            if axes is not panels[i, 0]:
                axes.sharey(panels[i, 0])
            _panel(axes, statistic, *stack)
            if column:
                axes.tick_params(labelleft=False)
            else:
                axes.set_ylabel(statistic.replace("_", " "), fontsize=9)
        panels[top, column].set_title(stack[1], fontsize=9)
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("epoch", fontsize=9)
    for axes in (axes for axes in panels.flat if not axes.get_lines()):
        axes.set_axis_off()
    for axes, statistic in zip(panels[:, 0], STATISTICS * blocks, strict=True):
        _scale(axes, statistic)
    return figure


def _panel(axes: Axes, statistic: str, run: Run, _: str, names: Sequence[str]) -> None:
    """Draw a statistic of the hidden layers of one arm or tower."""
    for i, layer in enumerate(names):
        mean = run.curve(layer, statistic).mean(axis=1)
        ink = matplotlib.colormaps["viridis"](0.25 + 0.6 * i / max(len(names) - 1, 1))  # legible on white and dark
        axes.plot(mean.index, mean, color=ink, lw=1.2)
    whole_ticks(axes.xaxis)
    axes.tick_params(labelsize=8)


def _scale(axes: Axes, statistic: str) -> None:
    """Give gradients a logarithmic scale, and shares one from 0, in all panels that share these axes."""
    if statistic == "dead_units":
        axes.set_ylim(bottom=0)
    low, high = axes.get_ylim()
    if statistic == "gradient_norm" and high > 0:
        drawn = np.concatenate([line.get_ydata() for one in _sharing(axes) for line in one.get_lines()] or [[1.0]])
        drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
        if drawn.size:
            low, high = drawn.min() / 1.3, drawn.max() * 1.3
            axes.set_yscale("log")
            axes.set_ylim(low, high)
            log_ticks(axes.yaxis, low, high)


def _sharing(axes: Axes) -> list[Axes]:
    """Return the axes of a figure with the vertical scale of these."""
    return axes.get_shared_y_axes().get_siblings(axes)  # type: ignore[return-value]
