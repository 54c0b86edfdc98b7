"""Estimates from plain numbers: a mean with its interval, a ratio of means, and the time to a loss."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds and its interval; the bounds are nan where n < 2, the mean too where n = 0."""

    n: int
    mean: float
    low: float
    high: float


def estimate(
    values: Iterable[float], share: bool = False, level: float = LEVEL, skewed: bool = False, overlap: float = 0.0
) -> Estimate:
    """Return the mean of the finite values with its t interval.

    The interval of a `share` ends at 0 and 1; that of values that are never negative ends at 0. Of `skewed` values, all
    above 0, it is the geometric mean and the t interval of the logarithms. `overlap` widens the interval where seeds
    are folds of the same rows (Nadeau & Bengio 2003): their test rows as a share of their training rows.
    """
    x = np.asarray(list(values), dtype=float)
    x = x[np.isfinite(x)]
    if x.size < 2:
        return Estimate(x.size, float(x[0]) if x.size else np.nan, np.nan, np.nan)
    if skewed and x.min() > 0:
        logs = estimate(np.log(x), level=level, overlap=overlap)
        return Estimate(x.size, *(float(np.exp(part)) for part in (logs.mean, logs.low, logs.high)))
    mean, half = float(x.mean()), _half(x, level) * (1 + overlap * x.size) ** 0.5
    low, high = mean - half, mean + half
    if share or (skewed and x.min() >= 0):
        low = max(low, 0.0)
    return Estimate(x.size, mean, low, min(high, 1.0) if share else high)


def _half(x: np.ndarray, level: float) -> float:
    return float(stats.t.ppf((1 + level) / 2, x.size - 1) * stats.sem(x))


def log_ratio(a: Iterable[float], b: Iterable[float]) -> Estimate:
    """Return the logarithm of the ratio of two geometric means with its Welch t interval, from values above 0.

    `n` is 0 where a side has no two values.
    """
    x, y = (np.log(np.asarray(list(values), dtype=float)) for values in (a, b))
    if min(x.size, y.size) < 2:
        return Estimate(0, np.nan, np.nan, np.nan)
    gap = float(x.mean() - y.mean())
    if np.ptp(x) + np.ptp(y) < 1e-9:  # equal but for rounding, which is no spread
        return Estimate(x.size + y.size, gap, gap, gap)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the values of one side may be equal, which is no loss
        low, high = stats.ttest_ind(x, y, equal_var=False).confidence_interval(LEVEL)
    return Estimate(x.size + y.size, gap, float(low), float(high))


def first_at_most(curve: pd.Series, target: float) -> float:
    """Return the first epoch (index) whose loss is at most `target`; inf where there is none."""
    reached = curve.index[curve <= target]
    return float(reached[0]) if len(reached) else np.inf
