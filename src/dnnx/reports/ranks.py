"""Exact rank tests with ties and infinite values: signed ranks for pairs, rank sums for two groups.

With more values than MAX_EXACT the sum of ranks is taken to be normal, which it nearly is by then.
"""

import numpy as np
from scipy.stats import norm, rankdata

MAX_EXACT = 200  # values whose signs, or deals to two groups, are all counted


def exactly(num: int) -> str:
    """Return "exact " for a test of so many values, "" where it is an approximation."""
    return "exact " if num <= MAX_EXACT else ""


def signed_ranks(gaps: np.ndarray) -> tuple[float, int]:
    """Return the two-sided p-value of Wilcoxon's signed ranks over all 2^n signs, and the side with more ranks.

    Gaps of 0 are left out. An infinite gap has the largest rank; equal sizes share their mean rank. The side is 1, -1,
    or 0: a few large gaps can outweigh more small ones.

    >>> signed_ranks(np.array([1.0, 2.0, np.inf])), signed_ranks(np.array([1.0, 2.0, -np.inf]))
    ((0.25, 1), (1.0, 0))
    """
    gaps = gaps[gaps != 0]
    ranks = _doubled_ranks(np.abs(gaps))
    above = int(ranks[gaps > 0].sum())
    side = int(np.sign(2 * above - ranks.sum()))
    if gaps.size > MAX_EXACT:
        return _of_normal(above, ranks.sum() / 2, float((ranks.astype(float) ** 2).sum()) / 4), side
    ways = np.ones(1)  # ways[s]: the number of sign patterns whose positive ranks sum to s
    for rank in ranks:
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    return _two_sided(ways / ways.sum(), above), side


def rank_sum_p(a: np.ndarray, b: np.ndarray) -> float:
    """Return the two-sided p-value of the Wilcoxon-Mann-Whitney test over all ways to deal the values out.

    >>> round(rank_sum_p(np.array([1.0, 1, 1]), np.array([2.0, 2, 2])), 3)
    0.1
    """
    ranks = _doubled_ranks(np.concatenate([a, b]))
    if ranks.size > MAX_EXACT:
        spread = a.size * b.size / ranks.size * float(ranks.var(ddof=1))
        return _of_normal(int(ranks[: a.size].sum()), a.size * float(ranks.mean()), spread)
    ways = np.zeros((a.size + 1, int(ranks.sum()) + 1))  # ways[k, s]: subsets of k values whose ranks sum to s
    ways[0, 0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank].copy()
    return _two_sided(ways[-1] / ways[-1].sum(), int(ranks[: a.size].sum()))


def _of_normal(seen: int, mean: float, variance: float) -> float:
    """Return the two-sided p-value of a sum with this mean and variance; 1 where it cannot vary."""
    return float(2 * norm.sf(abs(seen - mean) / variance**0.5)) if variance > 0 else 1.0


def _doubled_ranks(x: np.ndarray) -> np.ndarray:
    """Return twice the mean ranks, which are whole numbers."""
    return np.rint(2 * rankdata(x)).astype(int)


def _two_sided(chances: np.ndarray, seen: int) -> float:
    """Return twice the smaller tail of a distribution, at most 1; both tails hold the seen value."""
    return float(min(1.0, 2 * min(chances[: seen + 1].sum(), chances[seen:].sum())))
