"""Statistics of the hidden layers by epoch."""

from collections.abc import Sequence
from functools import partial

import matplotlib
from matplotlib.figure import Figure

from dnnx.reports.figures.drawing import Drawing
from dnnx.runs.run import Run, Study

PLACE = 40
STATISTICS = ("activation_mean", "activation_std", "dead_units", "gradient_norm")


def plan(study: Study) -> list[Drawing]:
    """Return the figure of all runs with layer statistics."""
    caption = (
        "Hidden layers by epoch, from the bottom (dark) to the top (light), mean over the seeds: mean and "
        "standard deviation of the activations, share of dead units, norm of the gradient."
    )
    runs = [run for run in study.reference_first if run.hidden_layers and len(run.curve("val", "loss"))]
    return [Drawing("layers", caption, runs, partial(draw, runs))]


def draw(runs: Sequence[Run]) -> Figure:
    """Draw a row per statistic, a column per arm or tower, a line per hidden layer."""
    columns = [(run, *stack) for run in runs for stack in run.hidden_layers.items()]
    figure = Figure(figsize=(max(9, 3 * len(columns)), 9))
    panels = figure.subplots(len(STATISTICS), len(columns), squeeze=False, sharey="row", sharex=True)
    for row, statistic in zip(panels, STATISTICS, strict=True):
        row[0].set_ylabel(statistic.replace("_", " "))
        for axes, (run, _, names) in zip(row, columns, strict=True):
            depth = len(names)
            for i, layer in enumerate(names):
                mean = run.curve(layer, statistic).mean(axis=1)
                axes.plot(mean.index, mean, color=matplotlib.colormaps["viridis"](0.9 * i / max(depth - 1, 1)), lw=1.4)
    for axes, (_, label, _) in zip(panels[0], columns, strict=True):
        axes.set_title(label)
    for axes in panels[-1]:
        axes.set(xlabel="epoch", yscale="log")
    return figure
