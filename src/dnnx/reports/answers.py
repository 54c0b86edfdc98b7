"""Five answers from one interval, and with how many seeds an open one would be decided."""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from scipy import stats

from dnnx.basics.counts import many
from dnnx.reports.comparison import Comparison, critical
from dnnx.reports.levels import Level

POWER = 0.8  # of a study with as many seeds as `enough_seeds` says
MAX_SEEDS = 1000
SAME_ROWS = "more seeds only test the same rows again, which narrows the interval little; more rows would help"


@dataclass(frozen=True)
class Enough:
    """Seeds that would decide with a chance of 80 %, if gap and spread stay as they are; None where not known.

    `new` counts all seeds of a new study, `added` those that are added to this study by hand. `why` is the reason why
    there is no count.
    """

    new: int | None = None
    added: int | None = None
    why: str = ""

    @property
    def words(self) -> str:
        """Return both counts in words.

        >>> Enough(15, 21).words
        'a new study of about 15 seeds would decide, or about 21 seeds added to each of these two arms'
        """
        if self.new is None:
            return self.why
        added = "" if self.added is None else f", or about {many(self.added, 'seed')} added to each of these two arms"
        return f"a new study of about {many(self.new, 'seed')} would decide{added}"


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


def enough_seeds(found: Comparison, level: Level, margin: float) -> Enough:
    """Return with how many seeds an open claim would be decided.

    A new study looks once, so it has the whole level of its claim. Seeds that are added by hand are a second look,
    with the wider anytime-valid interval; a study with planned looks takes none. As many of the further seeds are
    taken to be lost in both arms as of these.
    """
    one_look = replace(found, anytime=False)  # also where seeds were added to this study
    new = _fewest(one_look, level.total / max(level.claims, 1), margin, 2)
    if new is None:
        return Enough(why=_why_no_count(found))
    if not found.paired:
        return Enough((new + 1) // 2)  # n counts the seeds of both arms
    all_of = 1 + found.lost / found.n  # seeds for each that counts
    by_hand = replace(found, anytime=True, df=found.n - 1)
    both = None if level.look else _fewest(by_hand, level.alpha, margin, found.n)
    return Enough(ceil(new * all_of), None if both is None else ceil((both - found.n) * all_of))


def _why_no_count(found: Comparison) -> str:
    """Return why no number of seeds is known that would decide; "" where no test was possible."""
    if found.sd > 0:
        return (
            f"even a new study of {MAX_SEEDS:,} seeds would probably not decide: the difference is too small to tell "
            "from 0, or too close to the margin"
        )
    if not found.tested:
        return ""
    if found.overlap:
        return SAME_ROWS
    is_ranked = "rank" in found.test or bool(np.isinf(found.gaps).any())
    why = "seeds diverged or never got there" if is_ranked else "each seed counts as 0 or 1 only"
    return f"how many seeds would decide cannot be estimated, as {why}"


def _fewest(found: Comparison, alpha: float, margin: float, low: int) -> int | None:
    """Return the fewest seeds above `low` that decide with a chance of 80 %; None for ranks, shares, or over 1,000."""
    if not found.sd > 0 or power(found, MAX_SEEDS, alpha, margin) < POWER:
        return None
    high = MAX_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(found, middle, alpha, margin) >= POWER else (middle, high)
    return high


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
