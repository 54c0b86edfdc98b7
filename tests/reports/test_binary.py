"""Metrics of 0 and 1: exact tests, and intervals that stay within 100 points and cover."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from dnnx.reports.binary import fisher_p, mcnemar_p, paired_interval, unpaired_interval


@pytest.mark.parametrize(("only_a", "only_b"), [(9, 0), (3, 5), (4, 4), (12, 2)])
def test_mcnemar_is_that_of_statsmodels(only_a: int, only_b: int) -> None:
    assert mcnemar_p(only_a, only_b) == pytest.approx(mcnemar([[3, only_a], [only_b, 7]], exact=True).pvalue)


def test_unpaired_shares_are_those_of_scipy_and_statsmodels() -> None:
    a, b = np.array([1.0] * 7 + [0] * 13), np.array([1.0] * 2 + [0] * 18)
    assert fisher_p(a, b) == pytest.approx(stats.fisher_exact([[7, 13], [2, 18]]).pvalue)
    expected = confint_proportions_2indep(7, 20, 2, 20, method="newcomb")
    assert unpaired_interval(a, b, 0.95) == pytest.approx(expected, abs=1e-6)


def test_an_interval_of_shares_stays_within_100_points() -> None:
    for a, b in ((np.ones(5), np.zeros(5)), (np.zeros(5), np.ones(5)), (np.ones(5), np.ones(5))):
        for low, high in (paired_interval(a, b, 0.99), unpaired_interval(a, b, 0.99)):
            assert -1 <= low < high <= 1


def test_the_paired_interval_of_newcombe_covers() -> None:
    rng = np.random.default_rng(1)
    for n, chances in ((20, (0.3, 0.3, 0.1, 0.3)), (60, (0.6, 0.15, 0.05, 0.2))):
        truth = chances[1] - chances[2]
        covered = 0
        for _ in range(400):
            kind = rng.choice(4, n, p=chances)  # both, only a, only b, neither
            low, high = paired_interval((kind < 2) * 1.0, np.isin(kind, (0, 2)) * 1.0, 0.95)
            covered += low <= truth <= high
        assert 0.925 <= covered / 400 <= 0.98


def newcombe(e: int, f: int, g: int, h: int) -> tuple[float, float]:
    """Return the interval as Newcombe (1998) writes it, from the counts of both, only a, only b, and neither."""
    n = e + f + g + h
    a, b = (e + f) / n, (e + g) / n
    (la, ua), (lb, ub) = (proportion_confint(k, n, method="wilson") for k in (e + f, e + g))
    product, excess = (e + f) * (g + h) * (e + g) * (f + h), float(e * h - f * g)
    if excess >= 0:
        excess = max(excess - n / 2, 0.0)
    phi = excess / product**0.5 if product else 0.0
    below = (a - la) ** 2 - 2 * phi * (a - la) * (ub - b) + (ub - b) ** 2
    above = (b - lb) ** 2 - 2 * phi * (b - lb) * (ua - a) + (ua - a) ** 2
    return a - b - below**0.5, a - b + above**0.5


@pytest.mark.parametrize(
    "counts", [(8, 3, 1, 8), (2, 7, 8, 3), (5, 4, 4, 5), (10, 0, 0, 10), (0, 9, 0, 4), (20, 9, 2, 40)]
)
def test_the_paired_interval_is_newcombes(counts: tuple[int, int, int, int]) -> None:
    e, f, g, h = counts
    a, b = np.repeat([1.0, 1, 0, 0], [e, f, g, h]), np.repeat([1.0, 0, 1, 0], [e, f, g, h])
    assert paired_interval(a, b, 0.95) == pytest.approx(newcombe(*counts), abs=1e-6)
    wide, narrow = paired_interval(a, b, 0.99), paired_interval(a, b, 0.9)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_without_a_pair_that_differs_nothing_is_seen() -> None:
    assert mcnemar_p(0, 0) == 1.0
