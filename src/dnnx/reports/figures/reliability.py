"""Reliability diagram: accuracy against confidence."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from dnnx.reports.figures.drawing import INK, color, line_style


def draw(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Draw accuracy against confidence in bins of confidence (top), and the share of examples in each bin (bottom)."""
    figure = Figure(figsize=(6.4, 6.8))
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.plot([0, 1], [0, 1], color=INK, lw=0.8, alpha=0.5)
    names = {"test": "deterministic", "mc": "MC dropout", "ensemble": "ensemble of seeds"}
    for i, (name, curve) in enumerate(curves.items()):
        images, confidence, correct = (np.array(curve[key]) for key in ("images", "confidence", "correct"))
        some = images > 0
        x = confidence[some] / images[some]
        top.plot(x, correct[some] / images[some], marker="o", ms=4, label=names[name], **line_style(i))
        bottom.stairs(images / images.sum(), np.linspace(0, 1, len(images) + 1), color=color(i), lw=1.6)
    top.set(ylabel="accuracy", ylim=(-0.03, 1.03))
    bottom.set(xlabel="confidence: the largest probability", ylabel="share of examples", xlim=(0, 1), yscale="log")
    figure.legend(loc="outside upper center", ncols=3, handlelength=3.5)
    return figure
