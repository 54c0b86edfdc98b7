"""Figures of a tuning report: value by trial, learning curves, importances, and values by key."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial

from dnnx.reports.figures.drawing import COLORS, INK, WIDTH

BEST_CURVES = 5  # in colour; all others faint
PER_ROW = 2
SHADES = ListedColormap(colormaps["viridis"](np.linspace(0.3, 0.85, 256)))  # its ends are lost on dark or white
Trials = Sequence[FrozenTrial]  # finished ones that have a value, by number


class Score(NamedTuple):
    """The value of a trial: its label on an axis, its better direction, and the factor by which it is shown."""

    label: str
    maximize: bool
    scale: float = 1.0


def history(trials: Trials, score: Score) -> Figure:
    """Draw every trial's value by number, and the best so far."""
    figure = Figure(figsize=(WIDTH, 3.2))
    axes = figure.subplots()
    for state, marker, color, alpha in (("pruned", "x", INK, 0.45), ("complete", "o", COLORS[1], 0.9)):
        shown = [t for t in trials if t.state.name.lower() == state]
        axes.plot([t.number for t in shown], _values(shown), marker, color=color, alpha=alpha, ms=5, label=state)
    complete = [t for t in trials if t.state.name == "COMPLETE"]
    best = (np.maximum if score.maximize else np.minimum).accumulate(_values(complete))
    axes.step([t.number for t in complete], best, where="post", color=COLORS[0], label="best so far", lw=1.6)
    axes.set(xlabel="trial", ylabel=score.label)
    _set_axis(axes, trials, score)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def curves(trials: Trials, score: Score) -> Figure:
    """Draw every trial's value by epoch: the best in colour, the pruned faint and dashed."""
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    ranked = sorted((t for t in trials if t.state.name == "COMPLETE"), key=_value, reverse=score.maximize)[:BEST_CURVES]
    for trial in trials:
        epochs, reported = list(trial.intermediate_values), list(trial.intermediate_values.values())
        if trial in ranked:
            rank = ranked.index(trial)
            axes.plot(epochs, reported, color=COLORS[rank], lw=1.8, zorder=3, label=f"trial {trial.number}")
        else:
            dashed = (0, (3, 2)) if trial.state.name == "PRUNED" else "-"
            axes.plot(epochs, reported, color=INK, alpha=0.25, lw=0.9, ls=dashed)
    axes.set(xlabel="epoch", ylabel=score.label)
    _set_axis(axes, trials, score)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def importances(shares: dict[str, float]) -> Figure:
    """Draw a bar for each key, the greatest at the top."""
    figure = Figure(figsize=(WIDTH, 1 + 0.35 * len(shares)))
    axes = figure.subplots()
    axes.barh(list(shares)[::-1], [100 * share for share in shares.values()][::-1], color=COLORS[1], height=0.65)
    axes.set(xlabel="share of the importance, %")
    axes.grid(False, axis="y")
    return figure


def slices(trials: Trials, space: dict[str, BaseDistribution], score: Score) -> Figure:
    """Draw a panel for each key: the trials' values against their setting of the key, later trials darker."""
    rows = -(-len(space) // PER_ROW)
    figure = Figure(figsize=(WIDTH, 2.1 * rows))
    panels = figure.subplots(rows, PER_ROW, squeeze=False, sharey=True).flat
    for (key, distribution), axes in zip(space.items(), panels, strict=False):
        places, ticks = _places(trials, key, distribution)
        axes.scatter(places, _values(trials), c=range(len(trials)), cmap=SHADES.reversed(), s=14, alpha=0.95)
        axes.set(xlabel=key)
        axes.xaxis.label.set_size(8)
        axes.tick_params(labelsize=7)
        if ticks:
            axes.set_xticks(range(len(ticks)), ticks)
            axes.set_xlim(-0.5, len(ticks) - 0.5)
        elif getattr(distribution, "log", False):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        _set_axis(axes, trials, score)
    for axes in list(panels):
        axes.remove()
    figure.supylabel(score.label, fontsize=9)
    return figure


def parallel(trials: Trials, space: dict[str, BaseDistribution], score: Score) -> Figure:
    """Draw a line for each trial through its setting on every key's axis. Better trials are brighter and in front."""
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    ranks = np.argsort(np.argsort(_values(trials) * (1 if score.maximize else -1))) / max(1, len(trials) - 1)
    columns = [_scaled(trials, key, distribution) for key, distribution in space.items()]
    lines = np.array([*(place for place, _, _ in columns), ranks]).T

    for rank, line in sorted(zip(ranks, lines, strict=True), key=lambda pair: pair[0]):
        axes.plot(line, color=SHADES(rank), alpha=0.4 + 0.55 * rank**2, lw=0.8 + 1.2 * rank**3)
    names = [*space, f"rank by {score.label}"]
    ends = [*((low, high) for _, low, high in columns), ("worst", "best")]
    for i, (low, high) in enumerate(ends):
        axes.text(i, -0.04, low, ha="center", va="top", fontsize=7)
        axes.text(i, 1.03, high, ha="center", va="bottom", fontsize=7)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=8)
    axes.tick_params(axis="x", pad=12)
    axes.set(yticks=[], ylim=(-0.02, 1.02))
    axes.spines["left"].set_visible(False)
    return figure


def _places(trials: Trials, key: str, distribution: BaseDistribution) -> tuple[list[Any], list[str]]:
    """Return the trials' positions on a key's axis, and the names of its ticks if the key has choices."""
    if isinstance(distribution, CategoricalDistribution):
        choices = [str(choice) for choice in distribution.choices]
        return [choices.index(str(t.params[key])) for t in trials], choices
    return [t.params[key] for t in trials], []


def _scaled(trials: Trials, key: str, distribution: BaseDistribution) -> tuple[np.ndarray, str, str]:
    """Return positions from 0 to 1, and the labels of both ends."""
    places, ticks = _places(trials, key, distribution)
    if ticks:
        return np.array(places) / max(1, len(ticks) - 1), ticks[0], ticks[-1]
    low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
    scale = np.log if getattr(distribution, "log", False) else np.asarray
    scaled = (scale(np.array(places)) - scale(low)) / max(float(scale(high) - scale(low)), 1e-12)
    return scaled, f"{low:g}", f"{high:g}"


def _values(trials: Trials) -> np.ndarray:
    return np.array([_value(trial) for trial in trials], dtype=float)


def _value(trial: FrozenTrial) -> float:
    assert trial.values
    return trial.values[0]


def _set_axis(axes: Axes, trials: Trials, score: Score) -> None:
    """Show values in their unit, and leave the worst fifth out: a few bad trials would flatten all others."""
    axes.yaxis.set_major_formatter(lambda value, _: f"{score.scale * value:.6g}")
    values = np.sort(_values(trials))
    if len(values) < 5 or np.ptp(values) == 0:
        return
    low, high = (np.quantile(values, 0.2), values[-1]) if score.maximize else (values[0], np.quantile(values, 0.8))
    margin = 0.05 * (high - low) or 0.05 * abs(high)
    axes.set_ylim(low - margin, high + margin)
