"""Learning curves: every metric that metrics.csv holds for validation, beside the same metric on training batches."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from scipy import stats

from dnnx.reports.figures.drawing import Drawing, color, legend, line_style
from dnnx.reports.threshold import at_half
from dnnx.runs.about import is_loss
from dnnx.runs.run import Run, Study

PLACE = 30
BAND = "Mean over the seeds with a band of its 95 % t interval, drawn while at least half of the seeds are running."


def plan(study: Study) -> list[Drawing]:
    """Return the curves by epoch and by wall seconds."""
    runs = [run for run in study.reference_first if run.curves("val")]
    sizes = ", ".join(f"{run.name} {len(run.seeds)}" for run in runs)
    half = " Accuracy at the threshold 0.5." if at_half(study) else ""
    return [
        Drawing(f"curves_{unit}", f"By {name}. {BAND} Seeds: {sizes}.{half}", runs, partial(draw, runs, seconds))
        for unit, name, seconds in (("epochs", "epoch", False), ("seconds", "wall seconds", True))
    ]


def draw(runs: Sequence[Run], seconds: bool = False) -> Figure:
    """Draw a row per metric: the training set, the validation set; mean and 95 % t interval over the seeds."""
    rows = [[(split, name) for split in ("train", "val")] for name in validated(runs)]
    figure = Figure(figsize=(9, 3.2 * len(rows)))
    drawn = []
    for row, panels in zip(figure.subplots(len(rows), 2, squeeze=False), rows, strict=True):
        for axes, (split, name) in zip(row, panels, strict=True):
            if any(len(run.curve(split, name)) for run in runs):
                _panel(axes, runs, split, name, seconds)
                drawn.append(axes)
            else:
                axes.set_axis_off()
    legend(figure, drawn[-1])
    return figure


def validated(runs: Sequence[Run]) -> list[str]:
    """Return the metrics that any run has by epoch on the validation set, losses first."""
    return sorted(dict.fromkeys(name for run in runs for name in run.curves("val")), key=lambda n: not is_loss(n))


def _panel(axes: Axes, runs: Sequence[Run], split: str, name: str, seconds: bool) -> None:
    lines = [_mean_line(axes, run, i, split, name, seconds) for i, run in enumerate(runs)]
    drawn = pd.concat(lines).dropna() if any(len(line) for line in lines) else pd.Series(dtype=float)
    about = runs[0].about(f"{split}/{name}")
    unit = f", {about.unit}" if about.scale == 1 and about.unit else ""
    axes.set(title=f"{split} {name}{unit}", xlabel="seconds" if seconds else "epoch")
    if about.sign < 0 and len(drawn) and drawn.min() > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif about.sign >= 0 and len(drawn):
        axes.set_ylim(bottom=float(drawn.quantile(0.03)))


def _mean_line(axes: Axes, run: Run, arm: int, split: str, name: str, seconds: bool) -> pd.Series:
    curve = run.curve(split, name)
    n = curve.notna().sum(axis=1)
    curve = curve[(n >= max(1, len(run.seeds) / 2)).to_numpy()]
    mean, n = curve.mean(axis=1), curve.notna().sum(axis=1)
    x = run.curve("time", "elapsed_s").mean(axis=1).reindex(curve.index) if seconds else curve.index
    axes.plot(x, mean, label=run.name, **line_style(arm))
    half = curve.std(axis=1) / np.sqrt(n) * stats.t.ppf(0.975, np.maximum(n - 1, 1))
    axes.fill_between(x, mean - half, mean + half, color=color(arm), alpha=0.18, lw=0)
    return mean
