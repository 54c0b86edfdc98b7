"""Significance levels of repeated looks: group-sequential for planned ones, anytime-valid where none was planned."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import betaln

ALPHA = 0.05
MIN_STEP = 4  # seeds between two looks whose dependence is computed
NODES = 64  # of an integral, at least


@dataclass(frozen=True)
class Level:
    """The chance of a false answer that one comparison may have, `alpha`, out of `total` for a whole study.

    `claims` is the number of tested claims. Planned looks: this is look `look` of `looks`. `earlier` is the number of
    results that were there before seeds were added by hand.
    """

    alpha: float = ALPHA
    total: float = ALPHA
    claims: int = 1
    look: int = 0
    looks: int = 0
    earlier: int = 0

    def adjusted(self, p: float) -> float:
        """Return a p-value that is below `total` where p is below `alpha`."""
        return min(1.0, p * self.total / self.alpha)


def nominal_levels(looks: Sequence[int], alpha: float) -> tuple[float, ...]:
    """Return the two-sided level of a paired t test at each look, so that all looks together err with chance `alpha`.

    `looks` are increasing numbers of seeds, from 2 on. Until the look at n seeds the share n / looks[-1] of `alpha` is
    spent (Lan and DeMets 1983, linear spending). The chance of a first rejection at a look is integrated over all
    differences that no earlier look rejected (Armitage, McPherson and Rowe 1969), exactly for the t statistics of
    normal values: r = sum / sqrt(n * sum of squares) is a Markov chain under the null. Where fewer than 4 seeds lie
    between two looks, the level of the later one is the alpha that it spends, which is smaller.

    >>> [round(level, 4) for level in nominal_levels([5, 10, 20, 40, 80], 0.05)]
    [0.0031, 0.0034, 0.007, 0.0147, 0.0312]
    """
    return _nominal_levels(tuple(looks), alpha)


@lru_cache
def _nominal_levels(looks: tuple[int, ...], alpha: float) -> tuple[float, ...]:
    levels: list[float] = []
    chain = _Chain(looks[0], alpha * looks[0] / looks[-1])
    for before, n in zip((0, *looks), looks, strict=False):
        spent = alpha * (n - before) / looks[-1]
        is_near = n - chain.n < MIN_STEP
        levels.append(spent if is_near else chain.level(n, spent))
        if not is_near:
            chain.go_on(n, levels[-1])
    return tuple(levels)


class _Chain:
    """The density of r after n seeds, over the values that no look rejected: `mass` at the points `at`."""

    def __init__(self, n: int, level: float):
        self.n, bound = n, _bound(level, n)
        self.at, weights = _points(-bound, bound, NODES)
        self.mass = weights * np.exp((n - 3) / 2 * np.log1p(-(self.at**2)) - betaln(0.5, (n - 1) / 2))

    def level(self, n: int, spent: float) -> float:
        """Return the level of a look at n seeds that rejects first with the chance `spent`."""

        def excess(level: float) -> float:
            tail, weights = _points(_bound(level, n), 1.0, NODES)
            return float(2 * weights @ self.density(tail, n)) - spent

        most = min(1.0, 20 * spent)
        most = 1.0 if excess(most) < 0 else most  # few seeds after many, whose looks spent nearly all
        return float(brentq(excess, spent, most, rtol=1e-6))

    def go_on(self, n: int, level: float) -> None:
        """Go on to n seeds without the values that a test of this level rejects."""
        bound = _bound(level, n)
        count = int(8 * stats.norm.isf(level / 2) * (n / (n - self.n)) ** 0.5)
        at, weights = _points(-bound, bound, max(NODES, count))
        self.n, self.at, self.mass = n, at, weights * self.density(at, n)

    def density(self, r: np.ndarray, n: int) -> np.ndarray:
        """Return the density at r [K] after n seeds.

        The share b of the squares that the first seeds hold has a beta distribution, and the r of the new ones that of
        a random direction; both are independent of the r before.
        """
        new = n - self.n
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        b = stats.beta.ppf((nodes + 1) / 2, self.n / 2, new / 2)
        width = (new * (1 - b) / n) ** 0.5
        v = (r[:, None, None] - self.at[:, None] * (self.n * b / n) ** 0.5) / width
        of_new = np.clip(1 - v**2, 0, None) ** ((new - 3) / 2) / np.exp(betaln(0.5, (new - 1) / 2))
        return of_new @ (weights / 2 / width) @ self.mass


def _bound(level: float, n: int) -> float:
    """Return the r from which a two-sided t test of n values rejects."""
    t = stats.t.isf(level / 2, n - 1)
    return float(t / (n - 1 + t**2) ** 0.5)


def _points(low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes and weights of Gauss and Legendre between two values of r, even in angle."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    start, end = np.arcsin([low, high])
    angles = start + (nodes + 1) / 2 * (end - start)
    return np.sin(angles), weights * np.cos(angles) * (end - start) / 2


def tries(earlier: int) -> int:
    """Return the factor j (j + 1) of the p-values of the j-th results, where `earlier` ones were seen unplanned.

    Without earlier results it is 1. So all results together err with at most alpha (1 + 1/6 + 1/12 + ...) = 1.5 alpha.
    """
    return (earlier + 1) * (earlier + 2) if earlier else 1


def anytime_t(n: int, df: float, alpha: float, g: float = 1.0) -> float:
    """Return the absolute t value from which an anytime-valid t test of n values rejects; inf for too few values.

    The test rejects when the Bayes factor E of a normal effect of variance `g`, in standard deviations, is 1 / alpha:
    E = (1 + n g)^(-1/2) ((1 + t^2/df) / (1 + t^2/(df (1 + n g))))^((df + 1)/2). Equal arms reach that with a chance of
    at most `alpha`, however often and whenever one looks (Wang and Ramdas 2025; Lindon, Ham, Tingley and Bojinov 2022).

    >>> round(anytime_t(10, 9, 0.05), 2), anytime_t(3, 2, 0.001)
    (3.87, inf)
    """
    spread = 1 + n * g
    power = (spread**0.5 / alpha) ** (2 / (df + 1))
    return float((df * (power - 1) / (1 - power / spread)) ** 0.5) if power < spread else np.inf


def anytime_p(t: float, n: int, df: float, g: float = 1.0) -> float:
    """Return the anytime-valid p-value of a t value of n values: 1 / E, at most 1."""
    spread = 1 + n * g
    log_e = (df + 1) / 2 * (np.log1p(t**2 / df) - np.log1p(t**2 / (df * spread))) - np.log(spread) / 2
    return float(np.exp(-max(log_e, 0.0)))
