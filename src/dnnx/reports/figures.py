"""Figures of a report, as SVG that follows the text colour of its page and as PNG on white for everything else."""

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from scipy import stats

from dnnx.reports.statistics import estimate
from dnnx.runs.files import write_atomic, write_text
from dnnx.runs.read import Run
from dnnx.runs.schema import is_finite

INK = "#010203"  # stands for the text colour and becomes `currentColor` in SVG
# Okabe and Ito's colours, but for their yellow, which is lost on white: Tol's olive, as safe for the colour-blind.
COLORS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999933"]
DASHES = ["", (5, 1.5), (1, 1.2), (6, 1.5, 1, 1.5), (3, 1), (8, 2), (4, 1, 1, 1, 1, 1), (2, 2)]
PANELS = [("train", "loss"), ("val", "loss"), ("train", "accuracy"), ("val", "accuracy")]
LAYER_STATISTICS = ("activation_mean", "activation_std", "dead_units", "gradient_norm")
SEARCHES = {"range": "training loss, range test", "grid": "validation loss"}  # stages of lr_search.csv
PICTURES = 10  # of an arm in a row; wide ones are fewer
MOST_LETTERS = 20  # of class names side by side under a confusion matrix
MOST_ARMS = 1 + len(COLORS)  # in a figure of which the arms must be told apart
STYLE = {
    "font.size": 10, "font.family": "sans-serif", "svg.fonttype": "none", "svg.hashsalt": "dnnx",
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#808080",
    "grid.alpha": 0.25, "legend.frameon": False, "figure.constrained_layout.use": True,
}  # fmt: skip
FILE_CSS = "<style>svg{color:#1a1a1a}@media(prefers-color-scheme:dark){svg{color:#e6e6e6}}</style>"


def save(draw: Callable[[], Figure], folder: Path, name: str) -> Path:
    """Writes `name.png` and `name.svg`, each beside and renamed; returns the path of the SVG."""
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = draw()
        for text in figure.findobj(Text):
            if "$" in text.get_text():  # type: ignore[attr-defined]
                text.set_parse_math(False)  # type: ignore[attr-defined]
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
        figure.set_layout_engine("none")  # the layout is found by now
        figure.savefig(png, format="png", dpi=110, facecolor="white", metadata={"Software": None})
    write_atomic(folder / f"{name}.png", lambda path: path.write_bytes(png.getvalue()))
    write_text(folder / f"{name}.svg", _tidy(svg.getvalue().decode(), name))
    return folder / f"{name}.svg"


def learning_curves(runs: Sequence[Run], seconds: bool) -> Figure:
    """Mean and 95 % t interval over the seeds, as long as at least half of an arm's seeds are running."""
    panels = [panel for panel in PANELS if any(len(run.curve(*panel)) for run in runs)]
    rows = math.ceil(len(panels) / 2)
    figure = Figure(figsize=(9, 3.2 * rows))
    for axes, (split, metric) in zip(figure.subplots(rows, 2).flat, panels, strict=True):
        lines = [_mean_line(axes, run, i, split, metric, seconds) for i, run in enumerate(runs)]
        drawn = pd.concat(lines).dropna() if any(len(line) for line in lines) else pd.Series(dtype=float)
        axes.set(title=f"{split} {metric}", xlabel="seconds" if seconds else "epoch")
        if metric == "loss" and len(drawn) and drawn.min() > 0:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        elif len(drawn):
            axes.set_ylim(bottom=float(drawn.quantile(0.03)))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels) or 1), handlelength=3.5)
    return figure


def test_accuracy(runs: Sequence[Run]) -> Figure:
    """One row per arm: its seeds as dots, their mean with its 95 % t interval."""
    figure = Figure(figsize=(9, 1.2 + 0.45 * len(runs)))
    axes = figure.subplots()
    for i, run in enumerate(runs):
        accuracy = 100 * run.values("test/accuracy").dropna()
        e = estimate(accuracy / 100, "test/accuracy")
        above_and_below = i + 0.2 * np.cos(np.pi * np.arange(len(accuracy)))
        axes.plot(accuracy, above_and_below, "o", color=_color(i), alpha=0.7, ms=4.5, mew=0)
        if e.n:
            half = [[100 * (e.mean - e.low)], [100 * (e.high - e.mean)]] if e.n > 1 else None
            axes.errorbar(100 * e.mean, i, xerr=half, fmt="D", color=_color(i), ms=7, capsize=5, lw=2)
    axes.set(yticks=range(len(runs)), yticklabels=[run.name for run in runs], xlabel="test accuracy, %")
    axes.set_ylim(len(runs) - 0.5, -0.5)
    return figure


def test_accuracy_along(axis: str, lines: Mapping[str, Mapping[float, Run]]) -> Figure:
    """Mean with a band of its 95 % t interval over the seeds, against a swept number; a line per arm."""
    figure = Figure(figsize=(9, 5.5))
    axes = figure.subplots()
    values = sorted({value for line in lines.values() for value in line})
    for i, (name, line) in enumerate(lines.items()):
        x = sorted(line)
        estimates = [estimate(line[value].values("test/accuracy"), "test/accuracy") for value in x]
        mean, low, high = ([100 * getattr(e, part) for e in estimates] for part in ("mean", "low", "high"))
        axes.plot(x, mean, "o", color=_color(i), ls=(0, DASHES[i % len(DASHES)]) if i else "-", label=name, lw=1.6)
        axes.fill_between(x, low, high, color=_color(i), alpha=0.12, lw=0)
    if values[0] > 0 and values[-1] >= 10 * values[0]:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.set(xlabel=axis, ylabel="test accuracy, %")
    figure.legend(loc="outside upper center", ncols=min(4, len(lines)), handlelength=3.5)
    return figure


def layers(runs: Sequence[Run]) -> Figure:
    """What callbacks.layer_statistics saw: a row per statistic, a column per arm or tower, a line per hidden layer."""
    columns = [(run, *stack) for run in runs for stack in run.hidden_layers.items()]
    figure = Figure(figsize=(max(9, 3 * len(columns)), 9))
    panels = figure.subplots(len(LAYER_STATISTICS), len(columns), squeeze=False, sharey="row", sharex=True)
    for row, statistic in zip(panels, LAYER_STATISTICS, strict=True):
        row[0].set_ylabel(statistic.replace("_", " "))
        for axes, (run, _, names) in zip(row, columns, strict=True):
            depth = len(names)
            for i, layer in enumerate(names):
                mean = run.curve(layer, statistic).mean(axis=1)
                axes.plot(mean.index, mean, color=matplotlib.colormaps["viridis"](0.9 * i / max(depth - 1, 1)), lw=1.4)
    for axes, (_, label, _) in zip(panels[0], columns, strict=True):
        axes.set_title(label)
    for axes in panels[-1]:
        axes.set(xlabel="epoch", yscale="log")
    return figure


def depth(runs: Sequence[Run]) -> Figure:
    """Mean and standard deviation of each hidden layer's activations, and its gradient, before and after training.

    A line per arm, or per tower of an arm.
    """
    figure = Figure(figsize=(9, 9))
    panels = figure.subplots(3, 2, sharex=True, sharey="row")
    lines = [(run, *stack) for run in runs for stack in run.hidden_layers.items()]
    ideals = {"activation_mean": 0, "activation_std": 1, "gradient_norm": None}
    for row, (statistic, ideal) in zip(panels, ideals.items(), strict=True):
        row[0].set_ylabel(statistic.replace("_", " "))
        if ideal is None:
            row[0].set_yscale("log")
        for axes in row if ideal is not None else ():
            axes.axhline(ideal, color=INK, lw=0.8, alpha=0.5)
        for i, (run, label, names) in enumerate(lines):
            start = pd.Series(0, index=run.seeds)
            _layer_line(row[0], label, i, run.through_depth(names, statistic, start))
            _layer_line(row[1], label, i, run.through_depth(names, statistic, run.values("epoch/best")))
    panels[0, 0].set_title("at initialization")
    panels[0, 1].set_title("at the best epoch")
    for axes in panels[-1]:
        axes.set_xlabel("hidden layer, from the bottom")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels) or 1), handlelength=3.5)
    return figure


def reliability(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Accuracy against confidence in bins of confidence (top), and the share of the images in each bin (bottom)."""
    figure = Figure(figsize=(6.4, 6.8))
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.plot([0, 1], [0, 1], color=INK, lw=0.8, alpha=0.5)
    names = {"test": "deterministic", "mc": "MC dropout", "ensemble": "ensemble of seeds"}
    for i, (name, curve) in enumerate(curves.items()):
        images, confidence, correct = (np.array(curve[key]) for key in ("images", "confidence", "correct"))
        some = images > 0
        style: dict[str, Any] = {"color": _color(i), "dashes": DASHES[i], "lw": 1.6}
        x = confidence[some] / images[some]
        top.plot(x, correct[some] / images[some], marker="o", ms=4, label=names[name], **style)
        bottom.stairs(images / images.sum(), np.linspace(0, 1, len(images) + 1), color=_color(i), lw=1.6)
    top.set(ylabel="accuracy", ylim=(-0.03, 1.03))
    bottom.set(xlabel="confidence: the largest probability", ylabel="share of images", xlim=(0, 1), yscale="log")
    figure.legend(loc="outside upper center", ncols=3, handlelength=3.5)
    return figure


def lr_search(runs: Sequence[Run]) -> Figure:
    """A row per arm: training loss while the rate grew, validation loss at each rate that was tried; | is the choice.

    Thin lines and dots are seeds, thick ones their mean.
    """
    figure = Figure(figsize=(9, 0.6 + 2.6 * len(runs)))
    for row, run in zip(figure.subplots(len(runs), 2, squeeze=False), runs, strict=True):
        assert run.lr_search is not None
        for axes, (stage, title) in zip(row, SEARCHES.items(), strict=True):
            curve = run.lr_search[run.lr_search["stage"] == stage].pivot(index="lr", columns="seed", values="loss")
            if curve.empty:
                axes.set_axis_off()
                continue
            curve = curve.replace([np.inf, -np.inf], np.nan)
            mean = curve.mean(axis=1, skipna=False)
            axes.plot(curve.index, curve, ".-" if stage == "grid" else "-", color=COLORS[1], alpha=0.35, lw=0.7)
            axes.plot(mean.index, mean, "o-" if stage == "grid" else "-", color=INK, lw=1.6, ms=5)
            if is_finite(chosen := run.setting("optimizer.lr")) and chosen > 0:
                axes.axvline(chosen, color=COLORS[0], ls="--", lw=1.4)
            axes.set(title=f"{run.name}: {title}", xlabel="learning rate", xscale="log")
            if stage == "range":
                if is_finite(first := float(mean.iloc[0])) and first > 0:
                    axes.set_ylim(0, 1.5 * first)  # all above is divergence
            else:
                axes.set_xticks(mean.index, [f"{rate:g}" for rate in mean.index])
                axes.xaxis.set_minor_formatter(NullFormatter())
    return figure


def confusion(runs: Sequence[Run]) -> Figure:
    """Counts summed over the seeds, row: true class; errors are shaded by their share of the row."""
    columns = 3 if all(len(_counts(run)) <= 5 for run in runs) else 2
    rows = math.ceil(len(runs) / columns)
    figure = Figure(figsize=(9, 9 / columns * rows))
    for axes, run in zip_longest(figure.subplots(rows, columns, squeeze=False).flat, runs):
        axes.set_axis_off() if run is None else _matrix(axes, run)
    return figure


def pictures(runs: Sequence[Run], kind: str, rows: int) -> Figure:
    """Test images of each arm, a row or more: the `hardest`, or a `sample`."""
    height, width = runs[0].predictions[f"{kind}_images"].shape[1:3]
    columns = max(1, PICTURES * height // width)
    tall = height / width + 0.66 * columns / PICTURES  # of a picture and its text, in widths of a picture
    figure = Figure(figsize=(9, len(runs) * (0.3 + rows * tall * 9 / columns)))
    for axes, run in zip(figure.subplots(len(runs), 1, squeeze=False).flat, runs, strict=True):
        axes.set_axis_off()
        axes.set_title(run.name, fontsize=10, loc="left")
        for i, (image, text) in enumerate(pictures_of(run, kind, rows * columns)):
            left, top = i % columns, i // columns * tall
            place = (left + 0.04, left + 0.96, top + 0.92 * height / width + 0.04, top + 0.04)
            axes.imshow(image, extent=place, cmap="gray", interpolation="nearest")
            axes.text(left + 0.5, place[2] + 0.06, text, ha="center", va="top", fontsize=8)
        axes.set(xlim=(0, columns), ylim=(rows * tall, 0), aspect="equal")
    return figure


def pictures_of(run: Run, kind: str, most: int) -> list[tuple[np.ndarray, str]]:
    """Images [H, W] or [H, W, 3] uint8, each with its true class, the predicted one and the true one's probability."""
    p = run.predictions
    index = p[f"{kind}_index"].astype(int)[:most]
    probabilities = _alive(run)[:, index].mean(axis=0)
    names = [_short(name) for name in _class_names(run, probabilities.shape[1])]
    shown = []
    for image, label, row in zip(p[f"{kind}_images"], p["labels"].astype(int)[index], probabilities, strict=False):
        text = f"{names[label]}\n→ {names[int(row.argmax())]}\np = {row[label]:.2g}"
        shown.append((image[..., 0] if image.shape[-1] == 1 else image, text))
    return shown


def reconstructions(runs: Sequence[Run]) -> Figure:
    """Two rows per arm: test images, and below each what a network made of it."""
    figure = Figure(figsize=(9, 1.3 * len(runs)))
    for axes, run in zip(figure.subplots(len(runs), 1, squeeze=False).flat, runs, strict=True):
        rows = (np.concatenate(run.predictions[name], axis=1) for name in ("sample_images", "reconstructions"))
        axes.imshow(np.concatenate(list(rows)), cmap="gray", interpolation="nearest")
        axes.set_title(run.name, fontsize=10, loc="left")
        axes.set_axis_off()
    return figure


def roc(runs: Sequence[Run]) -> Figure:
    """Of two classes: true against false positive rate, mean over the seeds with a band of its 95 % t interval."""
    from sklearn.metrics import roc_curve

    figure = Figure(figsize=(9, 5.5))
    axes = figure.subplots()
    x = np.geomspace(1e-3, 1, 200)
    for i, run in enumerate(runs):
        labels = run.predictions["labels"]
        curves = [roc_curve(labels, p[:, 1], drop_intermediate=False)[:2] for p in _alive(run)]
        found = [estimate(at) for at in np.stack([np.interp(x, *curve) for curve in curves], axis=1)]
        mean, low, high = (np.clip([getattr(e, part) for e in found], 0, 1) for part in ("mean", "low", "high"))
        axes.plot(x, mean, color=_color(i), dashes=DASHES[i % len(DASHES)], label=run.name, lw=1.6)
        axes.fill_between(x, low, high, color=_color(i), alpha=0.18, lw=0)
    names = _class_names(runs[0], 2)
    axes.set(xscale="log", xlabel=f"share of '{names[0]}' called '{names[1]}'")
    axes.set(ylabel=f"share of '{names[1]}' called '{names[1]}'")
    figure.legend(loc="outside upper center", ncols=min(4, len(runs)), handlelength=3.5)
    return figure


def embedding(runs: Sequence[Run]) -> Figure:
    """A network's activations for test images in two dimensions by t-SNE (van der Maaten & Hinton 2008), by class."""
    from sklearn.manifold import TSNE

    figure = Figure(figsize=(9, 4.5 * math.ceil(len(runs) / 2)))
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


def _class_names(run: Run, num: int) -> list[str]:
    names = run.data.get("class_names", [])
    return names if len(names) == num else [f"class {i}" for i in range(num)]


def _short(name: Any) -> str:
    """Of a class, so that it fits under its picture."""
    return str(name) if len(str(name)) <= 10 else f"{str(name)[:9]}…"


def _alive(run: Run) -> np.ndarray:
    """Test probabilities [seeds, N, C] of those that did not diverge."""
    return run.predictions["probabilities"][[i for i, seed in enumerate(run.seeds) if seed not in run.diverged]]


def _mean_line(axes: Axes, run: Run, arm: int, split: str, metric: str, seconds: bool) -> pd.Series:
    curve = run.curve(split, metric)
    n = curve.notna().sum(axis=1)
    curve = curve[(n >= max(1, len(run.seeds) / 2)).to_numpy()]
    mean, n = curve.mean(axis=1), curve.notna().sum(axis=1)
    x = run.curve("time", "elapsed_s").mean(axis=1).reindex(curve.index) if seconds else curve.index
    axes.plot(x, mean, color=_color(arm), dashes=DASHES[arm % len(DASHES)], label=run.name, lw=1.6)
    half = curve.std(axis=1) / np.sqrt(n) * stats.t.ppf(0.975, np.maximum(n - 1, 1))
    axes.fill_between(x, mean - half, mean + half, color=_color(arm), alpha=0.18, lw=0)
    return mean


def _layer_line(axes: Axes, label: str, arm: int, table: pd.DataFrame) -> None:
    x = [1 + int(layer.split(".")[-1]) for layer in table.index]
    estimates = [estimate(values) for values in table.to_numpy()]
    mean, low, high = ([getattr(e, part) for e in estimates] for part in ("mean", "low", "high"))
    axes.plot(x, mean, color=_color(arm), dashes=DASHES[arm % len(DASHES)], label=label, lw=1.6)
    axes.fill_between(x, low, high, color=_color(arm), alpha=0.18, lw=0)


def _counts(run: Run) -> np.ndarray:
    return np.sum([m for m in run.results["test/confusion"] if m is not None], axis=0)


def _matrix(axes: Axes, run: Run) -> None:
    counts = _counts(run)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(share, 0)
    shade = np.zeros((*share.shape, 4))
    shade[..., :3] = to_rgba(COLORS[0])[:3]
    shade[..., 3] = 0.7 * share / (share.max() or 1)
    axes.imshow(shade, interpolation="nearest")
    names = _class_names(run, len(counts))
    if len(counts) <= 12:
        for (i, j), count in np.ndenumerate(counts):
            axes.text(j, i, str(int(count)), ha="center", va="center", fontsize=7, alpha=1 if count else 0.4)
        axes.set(xticks=range(len(counts)), yticks=range(len(counts)), xticklabels=names, yticklabels=names)
        if len(counts) * max(len(str(name)) for name in names) > MOST_LETTERS:
            axes.tick_params("x", rotation=90)
    axes.set(title=run.name, xlabel="predicted", ylabel="true")
    axes.grid(False)


def _color(arm: int) -> str:
    """The first arm, by habit the reference, is in the colour of the text."""
    return INK if arm == 0 else COLORS[(arm - 1) % len(COLORS)]


def _tidy(svg: str, name: str) -> str:
    """No metadata or doctype, path numbers to 0.01 px, ids that are unique among figures, text in currentColor."""
    unneeded = r"<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*|<!--.*?-->\s*|<metadata>.*?</metadata>\s*"
    svg = re.sub(unneeded, "", svg, flags=re.DOTALL)
    svg = re.sub(r' d="[^"]*"', lambda d: re.sub(r"(\d\.\d\d)\d+", r"\1", d[0]), svg)
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = svg.replace(INK, "currentColor")
    return re.sub(r"(<svg[^>]*>)", rf"\1{FILE_CSS}", svg, count=1)
