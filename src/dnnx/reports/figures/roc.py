"""ROC curves of two classes."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from dnnx.reports.figures.drawing import WIDTH, Drawing, alive, class_names, color, line_style
from dnnx.reports.figures.pictures import has_pictures
from dnnx.reports.statistics import estimate
from dnnx.runs.run import Run, Study

PLACE = 68


def plan(study: Study) -> list[Drawing]:
    """Return the figure of all runs with probabilities of two classes."""
    caption = "ROC on the test set: mean over the seeds with a band of its 95 % t interval."
    runs = [run for run in study.reference_first if has_pictures(run, study.main) and _has_two_classes(run)]
    return [Drawing("roc", caption, runs, partial(draw, runs))]


def draw(runs: Sequence[Run]) -> Figure:
    """Draw true against false positive rate, mean over the seeds with a band of its 95 % t interval."""
    from sklearn.metrics import roc_curve

    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    x = np.geomspace(1e-3, 1, 200)
    for i, run in enumerate(runs):
        labels = run.predictions["labels"]
        curves = [roc_curve(labels, p[:, 1], drop_intermediate=False)[:2] for p in alive(run)]
        found = [estimate(at) for at in np.stack([np.interp(x, *curve) for curve in curves], axis=1)]
        mean, low, high = (np.clip([getattr(e, part) for e in found], 0, 1) for part in ("mean", "low", "high"))
        axes.plot(x, mean, label=run.name, **line_style(i))
        axes.fill_between(x, low, high, color=color(i), alpha=0.18, lw=0)
    names = class_names(runs[0], 2)
    axes.set(xscale="log", xlabel=f"share of '{names[0]}' called '{names[1]}'")
    axes.set(ylabel=f"share of '{names[1]}' called '{names[1]}'")
    figure.legend(loc="outside upper center", ncols=min(2, len(runs)), handlelength=2.5)
    return figure


def _has_two_classes(run: Run) -> bool:
    return run.predictions["probabilities"].shape[-1] == 2 and len(np.unique(run.predictions["labels"])) == 2
