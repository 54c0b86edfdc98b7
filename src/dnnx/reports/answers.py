"""Five answers from one interval, and how many more seeds would bring an open one to an end."""

import numpy as np
from scipy import stats

from dnnx.reports.comparison import Comparison, critical

POWER = 0.8  # of a study with as many seeds as `more_seeds` says
MAX_SEEDS = 1000


def answer(found: Comparison, expect: str, alpha: float, margin: float) -> tuple[str, bool]:
    """Return yes, no, same or undecided; and whether a yes or no is by less than the margin.

    The interval above 0 is a yes where the claim expects `higher`, below 0 a no; inside the margin it is the same. A
    test without an interval decides by its p-value.

    >>> answer(Comparison("paired t test", 5, 0.2, 0.1, 0.3, p=0.01, sign=1), "higher", 0.05, margin=0.5)
    ('yes', True)
    """
    inside = bool(-margin < found.low and found.high < margin)
    shown = found.sign if np.isnan(found.low) and found.p < alpha else int(found.low > 0) - int(found.high < 0)
    if shown:
        return ("yes" if (shown > 0) == (expect == "higher") else "no"), inside
    return ("same" if inside else "undecided"), False


def more_seeds(found: Comparison, alpha: float, margin: float) -> int | None:
    """Return how many more seeds would decide with a chance of 80 %, if gap and spread stay as they are.

    None where that is not known: ranks and shares, or more than 1,000 seeds.
    """
    if not found.sd > 0:
        return None
    low, high = found.n, MAX_SEEDS
    if power(found, high, alpha, margin) < POWER:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(found, middle, alpha, margin) >= POWER else (middle, high)
    return high - found.n


def power(found: Comparison, n: int, alpha: float, margin: float) -> float:
    """Return the chance that n seeds decide: the interval leaves out 0, or lies inside the margin."""
    df, error = found.df * (n - 1) / (found.n - 1), found.sd / n**0.5
    t = critical(n, df, alpha, found.anytime)
    different = _beyond(t, df, abs(found.gap) / error)
    if np.isnan(margin):
        return different
    below, above = (_beyond(t, df, (margin + sign * found.gap) / error) for sign in (-1, 1))
    return max(different, below + above - 1)


def _beyond(critical: float, df: float, shift: float) -> float:
    """Return the chance of a noncentral t above its critical value; 1 where scipy has no digits left."""
    return 1.0 if shift > 37 else float(stats.nct.sf(critical, df, shift))
