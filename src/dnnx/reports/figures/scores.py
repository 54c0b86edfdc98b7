"""Ranking: the main metric on the test set, the best arm first; every seed is a dot."""

import re
from collections.abc import Mapping, Sequence
from functools import partial

from matplotlib.figure import Figure

from dnnx.reports.figures.drawing import INK, WIDTH, Drawing, color, tip
from dnnx.reports.findings import cell, estimate_of
from dnnx.reports.format import NO_BREAK, label, show
from dnnx.reports.threshold import at_chosen
from dnnx.runs.about import split_of
from dnnx.runs.run import Run, Study

PLACE = 20


def plan(study: Study) -> list[Drawing]:
    """Return the figure of the main metric, of all arms that have it."""
    main = study.main
    runs = [run for run in study.reference_first if run.values(main).notna().any()]
    name = main.replace("/", " ").capitalize()
    ranked = ", the best arm first" if study.about(main).sign and len(runs) > 1 else ""
    told = f"{name}{ranked}: single seeds as dots, mean and 95 % t interval.{at_chosen(study)}"
    told += " Published numbers are upright lines." if study.published else ""
    drawing = partial(draw, runs, main, study.published)
    return [Drawing(split_of(main)[1], told, runs, drawing, crowded=True, section="Answer")]


def draw(runs: Sequence[Run], metric: str, published: Mapping[str, Sequence[float]] | None = None) -> Figure:
    """Draw a row per arm, the best first: its seeds as dots, their mean with its 95 % t interval, published numbers.

    `published` are numbers by arm in the unit in which the metric is shown.
    Each arm keeps the colour of its place in `runs`.
    """
    figure = Figure(figsize=(WIDTH, 0.8 + 0.45 * len(runs)))
    axes = figure.subplots()
    about = runs[0].about(metric)
    found = {run.name: (run, estimate_of(run, metric), color(i)) for i, run in enumerate(runs)}
    ranked = sorted(found.values(), key=lambda entry: -about.sign * entry[1].mean)
    for row, (run, e, ink) in enumerate(ranked):
        values = about.scale * run.values(metric).dropna()
        for place, (seed, value) in enumerate(values.items()):
            (dot,) = axes.plot(value, row + 0.2 * (-1) ** place, "o", color=ink, alpha=0.5, ms=4, mew=0)
            tip(dot, f"{run.name}, seed {seed}: {show(value / about.scale, about)}")
        half = [[about.scale * (e.mean - e.low)], [about.scale * (e.high - e.mean)]] if e.n > 1 else None
        axes.errorbar(about.scale * e.mean, row, xerr=half, fmt="D", color=ink, ms=6, capsize=5, lw=2)
        for number in (published or {}).get(run.name, ()):
            (line,) = axes.plot(number, row, "|", color=INK, ms=18, mew=2)
            tip(line, f"{run.name}, published: {show(number / about.scale, about)}")
    labels = [f"{run.name}\n{_short(cell(run, metric))}" for run, _, _ in ranked]
    axes.set_yticks(range(len(ranked)), labels, fontsize=9)
    axes.set(xlabel=label(metric, about), ylim=(len(ranked) - 0.5, -0.5))
    axes.locator_params(axis="x", nbins=5)
    return figure


def _short(text: str) -> str:
    """Return the text of a cell with its n and without its interval, which is drawn."""
    return re.sub(r"\([^()]* to [^()]*, (n = \d+)\)", r"(\1)", text.replace(NO_BREAK, " "))
