"""Metrics that are 0 or 1 in a seed, such as whether it diverged: exact tests and Newcombe's intervals."""

import numpy as np
from scipy import stats


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value of McNemar's test from the two counts of pairs that differ.

    >>> mcnemar_p(9, 0)
    0.00390625
    """
    return float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def fisher_p(a: np.ndarray, b: np.ndarray) -> float:
    """Return the two-sided p-value of Fisher's exact test of two groups of 0 and 1."""
    return float(stats.fisher_exact([[a.sum(), (1 - a).sum()], [b.sum(), (1 - b).sum()]]).pvalue)


def paired_interval(a: np.ndarray, b: np.ndarray, level: float) -> tuple[float, float]:
    """Return the interval of the difference of two paired shares (Newcombe 1998, method 10); it stays within -1 to 1.

    `a` and `b` hold 0 or 1 by pair.
    """
    both, only_a = int((a * b).sum()), int((a * (1 - b)).sum())
    only_b, neither = int(((1 - a) * b).sum()), int(((1 - a) * (1 - b)).sum())
    total = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    excess: float = both * neither - only_a * only_b
    if excess > 0:
        excess = max(excess - a.size / 2, 0.0)
    phi = excess / total**0.5 if total else 0.0
    return _square_and_add(a, b, level, phi)


def unpaired_interval(a: np.ndarray, b: np.ndarray, level: float) -> tuple[float, float]:
    """Return the interval of the difference of two independent shares (Newcombe 1998, method 10 without pairs)."""
    return _square_and_add(a, b, level, 0.0)


def _square_and_add(a: np.ndarray, b: np.ndarray, level: float, phi: float) -> tuple[float, float]:
    p, q = float(a.mean()), float(b.mean())
    (p_low, p_high), (q_low, q_high) = _wilson(a, level), _wilson(b, level)

    def distance(one: float, other: float) -> float:
        return float(np.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2)))

    return p - q - distance(p - p_low, q_high - q), p - q + distance(p_high - p, q - q_low)


def _wilson(x: np.ndarray, level: float) -> tuple[float, float]:
    interval = stats.binomtest(int(x.sum()), x.size).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)
