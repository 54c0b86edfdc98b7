"""The main metric against a number that differs between arms: a swept key, or the share of nonzero weights."""

import re
from collections.abc import Mapping
from functools import partial

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from dnnx.reports.figures.drawing import DASHES, WIDTH, Drawing, color
from dnnx.reports.findings import estimate_of
from dnnx.reports.format import label
from dnnx.runs.run import Run, Study

PLACE = 10
Lines = Mapping[str, Mapping[float, Run]]  # runs by the line they are on and by their place on the x axis


def plan(study: Study) -> list[Drawing]:
    """Return a figure for each swept number, and one for the share of nonzero weights if any weight is zero."""
    main = study.main
    name = main.replace("/", " ").capitalize()
    runs = [run for run in study.runs if run.values(main).notna().any()]
    planned = [
        Drawing(
            f"by_{axis}",
            f"{name} by {axis}: mean over the seeds, band of its 95 % t interval.",
            runs,
            partial(draw, axis, lines, main),
            crowded=True,
        )
        for axis in study.axes
        if (lines := study.along(axis))
    ]
    if left := along_zeros(study):
        caption = (
            f"{name} by the share of weights that is not zero: mean over the seeds, band of its 95 % t interval; a "
            "line for arms whose names differ by the number in the end."
        )
        drawing = partial(draw, "weights that are not zero, %", left, main)
        planned.append(Drawing("by_zeros", caption, runs, drawing, crowded=True))
    return planned


def draw(axis: str, lines: Lines, metric: str) -> Figure:
    """Draw one line per arm: the mean over seeds against a number, with a band for its 95 % t interval."""
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    about = next(run for line in lines.values() for run in line.values()).about(metric)
    values = sorted({value for line in lines.values() for value in line})
    for i, (name, line) in enumerate(lines.items()):
        x = sorted(line)
        estimates = [estimate_of(line[value], metric) for value in x]
        mean, low, high = ([about.scale * getattr(e, part) for e in estimates] for part in ("mean", "low", "high"))
        axes.plot(x, mean, "o", color=color(i), ls=(0, DASHES[i % len(DASHES)]) if i else "-", label=name, lw=1.6)
        axes.fill_between(x, low, high, color=color(i), alpha=0.12, lw=0)
    if values[0] > 0 and values[-1] >= 10 * values[0]:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.set(xlabel=axis, ylabel=label(metric, about))
    figure.legend(loc="outside upper center", ncols=min(2, len(lines)), handlelength=2.5)
    return figure


def along_zeros(study: Study) -> dict[str, dict[float, Run]]:
    """Return runs by name without its final number, and by the percentage of their weights that is not zero.

    Return {} if no weight is zero.
    """
    lines: dict[str, dict[float, Run]] = {}
    for run in study.runs:
        if (zeros := run.values("sparsity")).notna().any():
            left = float(f"{100 * (1 - zeros.mean()):.3g}")
            lines.setdefault(re.sub(r"[_-]?[\d.]+$", "", run.name), {})[left] = run
    return lines if any(left < 100 for line in lines.values() for left in line) else {}
