"""Learning curves: every metric that metrics.csv holds for validation, beside the same metric on training batches."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dnnx.reports.figures.drawing import INK, MAX_ARMS, WIDTH, Drawing, color, line_style, log_ticks, tip, whole_ticks
from dnnx.reports.format import label
from dnnx.reports.threshold import at_half
from dnnx.runs.about import is_loss
from dnnx.runs.run import Run, Study

PLACE = 30
MAX_TOGETHER = 4  # arms in one panel with their seeds
MAX_PANELS = 30  # arms beside the reference with a panel of their own
SECTION = "Learning curves"
TOLD = (
    "Light lines are single seeds, strong lines their mean, in which a seed that has ended counts with its best epoch."
)


def plan(study: Study) -> list[Drawing]:
    """Return a figure for each metric and set by epoch, and for the validation set by wall seconds.

    Many arms get a panel each, with the reference in it and all other arms in grey. Of very many, the best do.
    """
    runs = [run for run in study.reference_first if run.curves("val")]
    count = len(runs)
    runs = _best(runs, study.main)
    few = "" if len(runs) == count else f" The reference and the {MAX_PANELS} best of {count:,} arms."
    sizes = ", ".join(f"{run.name} {len(run.seeds)}" for run in runs)
    half = " Accuracy at the threshold 0.5." if at_half(study) else ""
    shown = [(split, name) for name in validated(runs) for split in ("val", "train")]
    if len(runs) > MAX_ARMS:
        shown = [(split, name) for split, name in shown if split == "val"]
    planned = []
    for seconds in (False, True):
        for split, name in shown:
            having = [run for run in runs if len(run.curve(split, name))]
            if not having or (seconds and not (split == "val" and _has_clock(having) and len(runs) <= MAX_ARMS)):
                continue
            by = "wall second" if seconds else "epoch"
            caption = f"{SETS.get(split, split)} {name} by {by}. {TOLD}{few} Seeds: {sizes}.{half}"
            drawing = partial(draw, having, split, name, seconds)
            title = f"{'seconds' if seconds else 'curves'}_{split}_{name}".replace("/", "_")
            planned.append(Drawing(title, caption, having, drawing, crowded=True, section=SECTION))
    return planned


SETS = {"val": "Validation", "train": "Training"}


def _best(runs: list[Run], metric: str) -> list[Run]:
    """Return all runs, or the first and the best of the others by the mean of a metric, if there are very many."""
    if len(runs) <= 1 + MAX_PANELS:
        return runs
    first, *others = runs
    scores = first.about(metric).sign * pd.Series([run.values(metric).mean() for run in others])
    ranked = scores.sort_values(ascending=False, kind="stable").index  # those without a mean last
    return [first, *(others[i] for i in ranked[:MAX_PANELS])]


def draw(runs: Sequence[Run], split: str, name: str, seconds: bool = False) -> Figure:
    """Draw a metric of one set: few arms in one panel, many in a panel each beside the first of them."""
    rows = -(-(len(runs) - 1) // 2) if len(runs) > MAX_TOGETHER else 1
    figure = Figure(figsize=(WIDTH, 3.4 if rows == 1 else 0.5 + 1.6 * rows))
    curves = [run.about(f"{split}/{name}").scale * carried(run, split, name) for run in runs]
    if len(runs) <= MAX_TOGETHER:
        axes = figure.subplots()
        for i, (run, curve) in enumerate(zip(runs, curves, strict=True)):
            _seeds(axes, run, i, split, name, seconds)
            _mean(axes, run, curve, seconds, label=run.name, **line_style(i))
        _finish([axes], runs, curves, split, name, seconds)
        if len(runs) > 1:
            figure.legend(loc="outside upper center", ncols=2 if len(runs) > 3 else len(runs), handlelength=2.5)
        return figure
    panels = figure.subplots(rows, 2, squeeze=False, sharex=True, sharey=True).ravel()
    (first, first_curve), *others = zip(runs, curves, strict=True)
    for i, (axes, (run, curve)) in enumerate(zip(panels, others, strict=False), start=1):
        for other, other_curve in others:
            _mean(axes, other, other_curve, seconds, color=INK, lw=0.6, alpha=0.25)
        _mean(axes, first, first_curve, seconds, label=first.name, **line_style(0))
        _seeds(axes, run, i, split, name, seconds)
        _mean(axes, run, curve, seconds, label=run.name, **line_style(i))
        axes.set_title(run.name, fontsize=9)
    for axes in panels[len(others) :]:
        axes.remove()
    _finish(figure.axes, runs, curves, split, name, seconds)
    figure.suptitle(f"each arm in colour, {first.name} in the colour of the text", fontsize=9)
    return figure


def validated(runs: Sequence[Run]) -> list[str]:
    """Return the metrics that any run has by epoch on the validation set, losses first."""
    return sorted(dict.fromkeys(name for run in runs for name in run.curves("val")), key=lambda n: not is_loss(n))


def carried(run: Run, split: str, name: str) -> pd.DataFrame:
    """Return a curve by epoch and seed, without diverged seeds; after its end a seed has the value of its best epoch.

    A mean over the seeds that still run would be one of other seeds in each epoch.
    """
    curve = run.curve(split, name).drop(columns=run.diverged)
    best = run.values("epoch/best")
    filled = curve.copy()
    for seed in curve:
        known = curve[seed].dropna()
        if len(known):
            value = known.get(best.get(seed, np.nan), known.iloc[-1])
            filled.loc[filled.index > known.index[-1], seed] = value
    return filled


def _seeds(axes: Axes, run: Run, arm: int, split: str, name: str, seconds: bool) -> None:
    """Draw the seeds of an arm, lightly; nothing for a single one."""
    if len(run.seeds) > 1:
        curve = run.about(f"{split}/{name}").scale * run.curve(split, name)
        alpha = min(0.35, 4 / len(run.seeds))
        lines = axes.plot(_x(run, curve.index, seconds), curve, color=color(arm), lw=0.7, alpha=alpha)
        for seed, line in zip(curve, lines, strict=True):
            tip(line, f"{run.name}, seed {seed}")


def _mean(axes: Axes, run: Run, curve: pd.DataFrame, seconds: bool, **style: object) -> None:
    (line,) = axes.plot(_x(run, curve.index, seconds), curve.mean(axis=1), **style)  # type: ignore[arg-type]
    tip(line, f"{run.name}, mean")


def _x(run: Run, epochs: pd.Index, seconds: bool) -> np.ndarray:
    return (run.curve("time", "elapsed_s").mean(axis=1).reindex(epochs) if seconds else epochs).to_numpy()


def _has_clock(runs: Sequence[Run]) -> bool:
    return any(len(run.curve("time", "elapsed_s")) for run in runs)


def _finish(
    panels: Sequence[Axes], runs: Sequence[Run], curves: Sequence[pd.DataFrame], split: str, name: str, seconds: bool
) -> None:
    """Name the axes and choose their ranges from the means of all arms."""
    about = runs[0].about(f"{split}/{name}")
    means = pd.concat([curve.mean(axis=1) for curve in curves]).dropna()
    seeds = np.concatenate([curve.to_numpy().ravel() for curve in curves])
    seeds = seeds[np.isfinite(seeds)]
    for axes in panels:
        if not seconds:
            whole_ticks(axes.xaxis)
        if about.sign < 0 and len(seeds) and seeds.min() > 0:
            axes.set_yscale("log")
            low, high = seeds.min() / 1.1, means.max() * 1.15
            axes.set_ylim(low, high)
            log_ticks(axes.yaxis, low, high)
        elif about.sign >= 0 and len(means):
            low, high = float(means.quantile(0.03)), float(seeds.max())
            if high > low:
                axes.set_ylim(low - 0.02 * (high - low), high + 0.03 * (high - low))
            axes.yaxis.set_major_locator(MaxNLocator(5))
    figure = panels[0].figure
    figure.supxlabel("seconds" if seconds else "epoch", fontsize=9)  # type: ignore[union-attr]
    figure.supylabel(label(f"{split}/{name}", about), fontsize=9)  # type: ignore[union-attr]
