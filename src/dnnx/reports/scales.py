"""Scales: how a metric is compared, by difference or by ratio, its resolution, and the margin of 'the same'."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from dnnx.runs.about import SHARES, About, is_log_loss, split_of

ROUNDING = 1e-7  # relative: of the 32-bit numbers that training computes with
PERCENT = 5.0  # the margin of a metric without a better known one
EPOCH = 1 / 12**0.5  # standard deviation of rounding to whole epochs
LOGARITHMS = ("gradient/start",)  # metrics that are log10 of what they are about
BINARY = ("diverged/share", "reached/")  # metrics that are 0 or 1 in a seed


@dataclass(frozen=True)
class Scale:
    """How the values of a metric are compared.

    `ratio`: logarithms are compared, so the difference is a ratio. `resolution`: the least standard deviation of a
    difference in stored units, such as one test image of 5,139. `margin`: differences below it, in units of the
    comparison, count as the same; nan for none. `words` say the margin: "0.1 points". `overlap` is that of folds;
    `ranks`: an infinite value always leads to ranks; `binary`: 0 or 1 in a seed. `widest`: no difference of means is
    larger, 1 for shares.
    """

    ratio: bool = False
    resolution: float = 0.0
    margin: float = np.nan
    words: str = ""
    overlap: float = 0.0
    ranks: bool = False
    binary: bool = False
    widest: float = np.inf

    def transform(self, values: pd.Series) -> pd.Series:
        """Return values on the scale of the comparison."""
        return np.log(values) if self.ratio else values

    def floor(self, transformed: np.ndarray) -> float:
        """Return the least standard deviation of a difference, at these values: that of their resolution."""
        if self.ratio:
            return self.resolution / float(np.exp(transformed.mean())) + ROUNDING
        return max(self.resolution, ROUNDING * float(np.abs(transformed).max(initial=1e-300)))

    def is_binary(self, a: np.ndarray, b: np.ndarray) -> bool:
        """Return whether the values are 0 or 1 in every seed; of a metric that need not be so, both must occur."""
        found = {*a.tolist(), *b.tolist()}
        return not self.ratio and (found == {0.0, 1.0} or (self.binary and found <= {0.0, 1.0}))


def is_skewed(metric: str) -> bool:
    """Return whether a metric is positive with a long tail: epochs, seconds, losses, bytes. Its interval is on
    logarithms.
    """
    return split_of(metric)[0] in ("epoch", "time", "size", "memory", "convergence") or is_log_loss(metric)


def geometric(metrics: Iterable[str]) -> str:
    """Return the sentence that names geometric means among the means of some metrics; "" if there are none.

    >>> geometric(["test/accuracy", "val/loss", "epoch/best"])
    'Means of losses and epochs are geometric.'
    """
    kinds = {"epoch": "epochs", "convergence": "epochs", "time": "seconds", "size": "bytes", "memory": "memory"}
    named = ["losses" if is_log_loss(name) else kinds[split_of(name)[0]] for name in metrics if is_skewed(name)]
    *first, last = dict.fromkeys(named) or [""]
    return f"Means of {' and '.join([*([', '.join(first)] if first else []), last])} are geometric." if last else ""


def scale_of(metric: str, about: About, values: tuple[pd.Series, pd.Series], counted: int | None = None,
             same: float | None = None) -> Scale:  # fmt: skip
    """Return the scale of a verdict: `counted` is the number of examples or units that a share is counted over.

    `same` is the declared margin: points for shares, epochs, percent for ratios and losses, else the metric's own
    unit. By default it is 0.1 points, 1 epoch, 10 % for races, and 5 % for everything else. A loss of 0 has no
    logarithm: losses are then compared by difference, and the margin is that part of the other arm's mean.
    """
    both = pd.concat(values).dropna()
    is_race = metric.startswith("convergence/")
    if is_race or (is_log_loss(metric) and (both > 0).all()):
        percent = same if same is not None else 10.0 if is_race else PERCENT
        ratio = Scale(True, EPOCH if metric == "convergence/epochs" else 0.0)
        return replace(ratio, margin=float(np.log1p(percent / 100)), words=f"{percent:g} %")
    if about.unit in SHARES:
        points = same if same is not None else 0.1
        widest = 1.0 if both.between(0, 1).all() else np.inf
        floor, binary = 1 / counted if counted else 0.0, metric.startswith(BINARY)
        return Scale(False, floor, points / about.scale, f"{points:g} points", binary=binary, widest=widest)
    if metric.startswith("epoch/"):
        epochs = same if same is not None else 1.0
        return Scale(False, EPOCH, epochs, f"{epochs:g} {'epoch' if epochs == 1 else 'epochs'}")
    if same is not None and not is_log_loss(metric):
        return Scale(margin=same / about.scale, words=f"{same:g}{f' {about.shown_unit}' if about.unit else ''}")
    percent = PERCENT if same is None else same
    if metric in LOGARITHMS:
        return Scale(margin=float(np.log10(1 + percent / 100)), words=f"{percent:g} %")
    other = values[1][np.isfinite(values[1])]
    size = abs(float(other.mean())) if len(other) else 0.0
    return Scale(margin=percent / 100 * size or np.nan, words=f"{percent:g} %")
