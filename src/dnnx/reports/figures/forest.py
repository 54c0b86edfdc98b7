"""Forest plot: the difference of each verdict with its interval, the margin band and the single seeds."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dnnx.reports.evidence import difference
from dnnx.reports.figures.drawing import COLORS, INK, WIDTH, Drawing, log_ticks
from dnnx.reports.format import suffix
from dnnx.reports.verdicts import Verdict

PLACE = 5
ANSWERS = {"yes": COLORS[2], "no": COLORS[0], "same": COLORS[1]}  # the others are in the colour of the text
ROW = 0.68  # inches


def plan_answers(verdicts: Sequence[Verdict]) -> list[Drawing]:
    """Return the figure of all verdicts that are tested and have a difference."""
    tested = (verdict for verdict in verdicts if verdict.question.is_tested and verdict.comparison.tested)
    shown = [verdict for verdict in tested if np.isfinite(verdict.comparison.gap)]
    caption = (
        "Difference of each pair of arms with its interval, at the level at which all answers hold together. The band "
        "is the margin of 'the same', dots are single seeds. An interval beyond 0 (or the ratio 1) is a yes or a no."
    )
    runs = list({verdict.arm: verdict.question.arm for verdict in shown}.values())
    return [Drawing("forest", caption, runs, partial(draw, shown), crowded=True, section="Answer")]


def draw(verdicts: Sequence[Verdict]) -> Figure:
    """Draw a panel for each unit, with a row for each verdict."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(_unit(verdict), []).append(verdict)
    counts = [len(group) for group in groups.values()]
    figure = Figure(figsize=(WIDTH, ROW * sum(counts) + 0.55 * len(counts)))
    panels = figure.subplots(len(counts), 1, squeeze=False, height_ratios=counts)[:, 0]
    for axes, (unit, group) in zip(panels, groups.items(), strict=True):
        _panel(axes, unit, group)
    return figure


def _panel(axes: Axes, unit: str, group: Sequence[Verdict]) -> None:
    is_ratio = group[0].question.scale.ratio
    values: list[float] = []
    for row, verdict in enumerate(group):
        values += _row(axes, row, verdict)
    axes.axvline(1 if is_ratio else 0, color=INK, lw=0.9, alpha=0.6)
    axes.set(ylim=(len(group) - 0.45, -0.65), yticks=[], xlabel=unit)
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)
    if is_ratio:
        low, high = min(values) / 1.1, max(values) * 1.1
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        log_ticks(axes.xaxis, low, high)


def _row(axes: Axes, row: int, verdict: Verdict) -> list[float]:
    """Draw a verdict; return the values that its row must show."""
    found, scale, about = verdict.comparison, verdict.question.scale, verdict.question.about
    ink = ANSWERS.get(verdict.answer, INK)

    def shown(x: float) -> float:
        return float(np.exp(x)) if scale.ratio else about.scale * x

    seeds = [shown(gap) for gap in found.gaps if np.isfinite(gap)]
    ends = [shown(end) for end in (found.low, found.high) if np.isfinite(end)]
    if np.isfinite(scale.margin):
        left, right = shown(-scale.margin), shown(scale.margin)
        axes.fill_betweenx([row - 0.06, row + 0.4], left, right, color=INK, alpha=0.1, lw=0)
        ends += [left, right]
    axes.plot(seeds, [row + 0.27] * len(seeds), "o", color=INK, alpha=0.35, ms=3.5, mew=0)
    has_interval = np.isfinite(found.low) or np.isfinite(found.high)
    if has_interval:  # ranks have none, and the mean of the finite seeds is not what they compare
        low, high = (shown(end) if np.isfinite(end) else np.nan for end in (found.low, found.high))
        _interval(axes, row + 0.08, low, high, ink)
        axes.plot(shown(found.gap), row + 0.08, "D", color=ink, ms=6)
    name = verdict.question.about.words if not scale.ratio else verdict.metric.replace("/", " ")
    label = f"{verdict.arm} against {verdict.than}, {name}: {verdict.words}"
    place = axes.get_yaxis_transform()
    axes.text(0, row - 0.46, _short(label, 72), transform=place, fontsize=9, va="center")
    told = difference(found, scale, about) if has_interval else found.test
    gone = sum(map(np.isinf, found.gaps))
    beyond = f", {gone} of them without a number in one arm and not drawn" if gone else ""
    axes.text(0, row - 0.19, f"{told}, n = {found.n}{beyond}", transform=place, fontsize=8, va="center", alpha=0.75)
    return [*seeds, *ends, shown(found.gap)]


def _interval(axes: Axes, row: float, low: float, high: float, ink: str) -> None:
    """Draw an interval; a side without a bound, nan, has an arrow to the edge of the panel."""
    if np.isfinite(low) and np.isfinite(high):
        axes.plot([low, high], [row, row], color=ink, lw=2, solid_capstyle="butt")
        axes.plot([low, high], [row, row], "|", color=ink, ms=8, mew=2)
        return
    bound, marker = (low, ">") if np.isfinite(low) else (high, "<")
    edge = 1.0 if marker == ">" else 0.0
    axes.plot(bound, row, "|", color=ink, ms=8, mew=2)
    axes.annotate(
        "", xy=(edge, row), xytext=(bound, row), xycoords=axes.get_yaxis_transform(),
        textcoords="data", arrowprops={"arrowstyle": "->", "color": ink, "lw": 2},
    )  # fmt: skip


def _unit(verdict: Verdict) -> str:
    """Return the label of a verdict's axis; verdicts with one label share a panel."""
    about = verdict.question.about
    if verdict.question.scale.ratio:
        return "ratio, the arm to the other one"
    unit = suffix(about, difference=True).strip()
    return f"difference, {unit}" if unit else f"difference of {about.words}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
