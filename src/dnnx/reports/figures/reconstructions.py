"""Reconstructions: test images, and the output of an autoencoder for each."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from dnnx.reports.figures.drawing import WIDTH, Drawing
from dnnx.runs.run import Run, Study

PLACE = 66
PICTURES = 8  # in a row


def plan(study: Study) -> list[Drawing]:
    """Return the figure of all runs that kept reconstructions."""
    caption = "The first test images, and below them what one network makes of them."
    runs = [run for run in study.reference_first if {"sample_images", "reconstructions"} <= set(run.predictions)]
    return [Drawing("reconstructions", caption, runs, partial(draw, runs))]


def draw(runs: Sequence[Run]) -> Figure:
    """Draw two rows per arm: test images, and below each its reconstruction by one network."""
    pictures = runs[0].predictions["sample_images"][:PICTURES]
    height, width = pictures.shape[1], pictures.shape[2] * len(pictures)
    figure = Figure(figsize=(WIDTH, (0.3 + 2 * WIDTH * height / width) * len(runs)))
    for axes, run in zip(figure.subplots(len(runs), 1, squeeze=False).flat, runs, strict=True):
        rows = (
            np.concatenate(run.predictions[name][:PICTURES], axis=1) for name in ("sample_images", "reconstructions")
        )
        axes.imshow(np.concatenate(list(rows)), cmap="gray", interpolation="nearest")
        axes.set_title(run.name, fontsize=10, loc="left")
        axes.set_axis_off()
    return figure
