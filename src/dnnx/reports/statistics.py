"""Statistics of a study: t intervals, tests of differences between arms, Holm's correction, first epoch at a loss."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` seeds and its t interval. The bounds are nan if n < 2, the mean too if n = 0."""

    n: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """One arm minus another.

    `low` and `high` bound the mean difference (t tests) or the share of seeds in which the arm is higher (sign test).
    They are nan if the test has no interval. `direction` is the sign of the difference, `p` is two-sided.
    """

    test: str
    n: int
    mean: float
    low: float
    high: float
    p: float
    direction: int
    higher: int = 0
    lower: int = 0


def estimate(values: Iterable[float], share: bool = False, level: float = LEVEL) -> Estimate:
    """Return mean and t interval of the finite values; the interval of a `share` ends at 0 and 1."""
    x = np.asarray(list(values), dtype=float)
    x = x[np.isfinite(x)]
    if x.size < 2:
        return Estimate(x.size, float(x[0]) if x.size else np.nan, np.nan, np.nan)
    mean, half = float(x.mean()), float(stats.t.ppf((1 + level) / 2, x.size - 1) * stats.sem(x))
    low, high = mean - half, mean + half
    if share:
        low, high = max(low, 0.0), min(high, 1.0)
    return Estimate(x.size, mean, low, high)


def difference(arm: pd.Series, than: pd.Series, level: float = LEVEL) -> Difference:
    """Compare two arms by seed: paired if both have the same seeds, else unpaired.

    A value of nan is not measured and left out. A value of +-inf counts as worse than any number: the seed diverged, or
    never reached the target. A mean is undefined then, so ranks decide: sign test or Mann-Whitney.
    """
    return (paired if set(arm.index) == set(than.index) else unpaired)(arm, than, level)


def paired(arm: pd.Series, than: pd.Series, level: float = LEVEL) -> Difference:
    """Compare by a paired t test, or by the exact sign test if a value is infinite or all differences are equal."""
    if set(arm.index) != set(than.index):
        raise ValueError(f"pairs need equal seeds, not {sorted(arm.index)} and {sorted(than.index)}")
    arm = arm.reindex(than.index)
    measured = arm.notna() & than.notna()
    a, b = arm[measured].to_numpy(float), than[measured].to_numpy(float)
    gaps = np.subtract(a, b, out=np.zeros_like(a), where=a != b)
    finite = gaps[np.isfinite(a) & np.isfinite(b)]
    mean = float(finite.mean()) if finite.size else np.nan
    if gaps.size < 2:
        return Difference("no test", gaps.size, mean, np.nan, np.nan, np.nan, 0)
    if finite.size < gaps.size or _constant(gaps):
        return _sign_test(gaps, mean, level)
    result = stats.ttest_1samp(gaps, 0.0)
    low, high = result.confidence_interval(level)
    return Difference("paired t test", gaps.size, mean, float(low), float(high), float(result.pvalue), _sign(mean))


def unpaired(arm: pd.Series, than: pd.Series, level: float = LEVEL) -> Difference:
    """Compare by Welch's t test, or by Mann-Whitney if a value is infinite or neither arm varies."""
    a, b = arm.dropna().to_numpy(float), than.dropna().to_numpy(float)
    finite_a, finite_b = a[np.isfinite(a)], b[np.isfinite(b)]
    mean = float(finite_a.mean() - finite_b.mean()) if finite_a.size and finite_b.size else np.nan
    n = a.size + b.size
    if min(a.size, b.size) < 2:
        return Difference("no test", n, mean, np.nan, np.nan, np.nan, 0)
    if finite_a.size + finite_b.size < n or (_constant(a) and _constant(b)):
        rank = stats.mannwhitneyu(a, b)
        return Difference(
            "Mann-Whitney test",
            n,
            mean,
            np.nan,
            np.nan,
            float(rank.pvalue),
            _sign(rank.statistic - a.size * b.size / 2),
        )
    result = stats.ttest_ind(a, b, equal_var=False)
    low, high = result.confidence_interval(level)
    return Difference("Welch t test", n, mean, float(low), float(high), float(result.pvalue), _sign(mean))


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values after Holm's step-down adjustment (Holm 1979). A nan stays nan and is not counted.

    >>> [round(p, 2) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted = [np.nan] * len(p)
    order = sorted((i for i in range(len(p)) if not np.isnan(p[i])), key=lambda i: p[i])
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p[i]))
        adjusted[i] = largest
    return adjusted


def matching_level(p: float, adjusted: float) -> float:
    """Return the level, at least 95 %, at which an interval excludes 0 exactly if the adjusted p is below 0.05."""
    return LEVEL if np.isnan(p) or adjusted == 0 else 1 - (1 - LEVEL) * p / adjusted


def first_at_most(curve: pd.Series, target: float) -> float:
    """Return the first epoch (index) with a loss of at most `target`, or inf if there is none."""
    reached = curve.index[curve <= target]
    return float(reached[0]) if len(reached) else np.inf


def _sign_test(gaps: np.ndarray, mean: float, level: float) -> Difference:
    """Return the exact sign test. Ties have no sign and are left out; if all are ties, p is 1."""
    higher, lower = int((gaps > 0).sum()), int((gaps < 0).sum())
    if higher + lower == 0:
        return Difference("sign test", gaps.size, mean, 0.0, 1.0, 1.0, 0)
    result = stats.binomtest(higher, higher + lower)
    low, high = result.proportion_ci(level, method="exact")
    sign = _sign(higher - lower)
    return Difference("sign test", gaps.size, mean, float(low), float(high), float(result.pvalue), sign, higher, lower)


def _constant(x: np.ndarray) -> bool:
    """Return whether all values are equal up to rounding: a t test would take rounding for spread."""
    return bool(np.isfinite(x).all()) and float(np.ptp(x)) <= 1e-12 * max(1.0, float(np.abs(x).max()))


def _sign(x: float) -> int:
    return int(np.sign(np.nan_to_num(x)))
