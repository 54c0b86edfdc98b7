"""Masks: test images, their true masks, and those that one network of each arm predicts."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dnnx.reports.figures.drawing import COLORS, WIDTH, Drawing, class_names
from dnnx.runs.run import Run, Study

PLACE = 67
PICTURES = 6  # in a row
NEEDED = {"sample_images", "masks", "predicted_masks"}


def plan(study: Study) -> list[Drawing]:
    """Return the figure of all runs that kept masks."""
    caption = "The first test images, their true masks, and below them the masks that one network of each arm predicts."
    runs = [run for run in study.reference_first if set(run.predictions) >= NEEDED]
    return [Drawing("masks", caption, runs, partial(draw, runs))]


def draw(runs: Sequence[Run]) -> Figure:
    """Draw a row of images, a row of true masks, and a row of predicted masks for each arm."""
    first = runs[0].predictions
    rows = [("images", first["sample_images"]), ("true masks", coloured(first["masks"]))]
    rows += [(run.name, coloured(run.predictions["predicted_masks"])) for run in runs]
    shown = min(len(first["masks"]), PICTURES)
    figure = Figure(figsize=(WIDTH, (WIDTH / shown + 0.3) * len(rows) + 0.4))
    for axes, (title, images) in zip(figure.subplots(len(rows), 1, squeeze=False).flat, rows, strict=True):
        axes.imshow(np.concatenate(list(images[:shown]), axis=1), cmap="gray", interpolation="nearest")
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_axis_off()
    num = int(max(run.predictions[name].max() for run in runs for name in ("masks", "predicted_masks"))) + 1
    names = class_names(runs[0], num)[:num]
    patches = [Patch(color=COLORS[label % len(COLORS)], label=str(name)) for label, name in enumerate(names)]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(num, 4))
    return figure


def coloured(masks: np.ndarray) -> np.ndarray:
    """Return masks [K, H, W] as colours [K, H, W, 3]."""
    colours = np.array([to_rgb(colour) for colour in COLORS])
    return colours[masks.astype(int) % len(colours)]
