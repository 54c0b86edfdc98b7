"""Activations of one network in two dimensions."""

import math
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from dnnx.reports.figures.drawing import WIDTH, Drawing
from dnnx.runs.run import Run, Study

PLACE = 70


def plan(study: Study) -> list[Drawing]:
    """Return the figure of all runs that kept activations."""
    caption = "Activations of one network for test images, in two dimensions by t-SNE, coloured by class."
    runs = [run for run in study.reference_first if _has_embedding(run)]
    return [Drawing("embedding", caption, runs, partial(draw, runs))]


def draw(runs: Sequence[Run]) -> Figure:
    """Draw activations for test images in two dimensions, by class, by t-SNE (van der Maaten & Hinton 2008)."""
    from sklearn.manifold import TSNE

    figure = Figure(figsize=(WIDTH, 2.8 * math.ceil(len(runs) / 2)))
    for axes, run in zip_longest(figure.subplots(math.ceil(len(runs) / 2), 2, squeeze=False).flat, runs):
        axes.set_axis_off()
        if run is None:
            continue
        labels = run.predictions["embedded_labels"]
        places = TSNE(init="pca", random_state=0).fit_transform(run.predictions["embedded"])
        for label in np.unique(labels):
            x, y = places[labels == label].T
            color = matplotlib.colormaps["tab10"](int(label) % 10)
            axes.scatter(x, y, s=7, color=color, lw=0, rasterized=True)
            axes.text(np.median(x), np.median(y), str(label), ha="center", va="center", fontsize=13, weight="bold")
        axes.set_title(run.name)
    return figure


def _has_embedding(run: Run) -> bool:
    """Return whether there are enough images for t-SNE's default perplexity, from a network that did not diverge."""
    p = run.predictions
    held = {"embedded", "embedded_labels"} <= set(p)
    return held and len(p["embedded"]) > 30 and bool(np.isfinite(p["embedded"]).all())
