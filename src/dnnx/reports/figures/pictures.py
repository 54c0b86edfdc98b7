"""Test images with their predictions: the hardest ones, and a sample."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dnnx.reports.figures.drawing import WIDTH, Drawing, alive, class_names
from dnnx.reports.threshold import at_half
from dnnx.runs.run import Run, Study

PLACE = 64
PICTURES = 6  # of an arm in a row; wide ones are fewer


def plan(study: Study) -> list[Drawing]:
    """Return a figure of the hardest test images, and one of the first."""
    told = f"true → predicted class, and the ensemble's probability of the true one.{at_half(study)}"
    hardest = [run for run in study.reference_first if has_pictures(run, study.main)]
    sample = [run for run in hardest if {"sample_index", "sample_images"} <= set(run.predictions)]
    return [
        Drawing("hardest", f"Hardest test images: {told}", hardest, partial(draw, hardest, "hardest", rows=1)),
        Drawing("sample", f"The first test images: {told}", sample, partial(draw, sample, "sample", rows=3)),
    ]


def has_pictures(run: Run, main: str) -> bool:
    """Return whether a run kept test images and the probabilities of a seed that did not diverge."""
    needed = {"labels", "probabilities", "hardest_index", "hardest_images"}
    return needed <= set(run.predictions) and bool(run.values(main).notna().any())


def draw(runs: Sequence[Run], kind: str, rows: int) -> Figure:
    """Draw test images of each arm in one or more rows: the `hardest` ones, or a `sample`."""
    height, width = runs[0].predictions[f"{kind}_images"].shape[1:3]
    columns = max(1, PICTURES * height // width)
    tall = height / width + 0.66 * columns / PICTURES  # height of a picture and its text, in widths of a picture
    figure = Figure(figsize=(WIDTH, len(runs) * (0.3 + rows * tall * WIDTH / columns)))
    for axes, run in zip(figure.subplots(len(runs), 1, squeeze=False).flat, runs, strict=True):
        axes.set_axis_off()
        axes.set_title(run.name, fontsize=10, loc="left")
        for i, (image, text) in enumerate(_pictures_of(run, kind, rows * columns)):
            left, top = i % columns, i // columns * tall
            place = (left + 0.04, left + 0.96, top + 0.92 * height / width + 0.04, top + 0.04)
            axes.imshow(image, extent=place, cmap="gray", interpolation="nearest")
            axes.text(left + 0.5, place[2] + 0.06, text, ha="center", va="top", fontsize=8)
        axes.set(xlim=(0, columns), ylim=(rows * tall, 0), aspect="equal")
    return figure


def _pictures_of(run: Run, kind: str, most: int) -> list[tuple[np.ndarray, str]]:
    """Return images [H, W] or [H, W, 3] uint8, each with its true class, predicted class and predicted probability."""
    p = run.predictions
    index = p[f"{kind}_index"].astype(int)[:most]
    probabilities = alive(run)[:, index].mean(axis=0)
    names = [_short(name) for name in class_names(run, probabilities.shape[1])]
    shown = []
    for image, label, row in zip(p[f"{kind}_images"], p["labels"].astype(int)[index], probabilities, strict=False):
        text = f"{names[label]}\n→ {names[int(row.argmax())]}\np = {row[label]:.2g}"
        shown.append((image[..., 0] if image.shape[-1] == 1 else image, text))
    return shown


def _short(name: Any) -> str:
    """Return the name of a class, cut so that it fits under its picture."""
    return str(name) if len(str(name)) <= 10 else f"{str(name)[:9]}…"
