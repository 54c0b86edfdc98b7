"""Rank tests are scipy's exact ones without ties, and full permutation tests with ties and infinite values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dnnx.reports.ranks import rank_sum_p, signed_ranks

few = st.lists(st.integers(-4, 4).map(float) | st.sampled_from([np.inf, -np.inf]), min_size=2, max_size=8)


@settings(max_examples=40, deadline=None)
@given(few)
def test_signed_ranks_with_ties_are_the_test_over_all_signs(gaps: list[float]) -> None:
    x = np.array(gaps)[np.array(gaps) != 0]
    ranks = stats.rankdata(np.abs(x))
    signs = np.array(np.meshgrid(*[[0, 1]] * x.size)).reshape(x.size, -1) if x.size else np.zeros((0, 1))
    sums, seen = ranks @ signs, ranks[x > 0].sum()
    expected = min(1.0, 2 * min(np.mean(sums <= seen + 1e-9), np.mean(sums >= seen - 1e-9)))
    assert signed_ranks(np.array(gaps))[0] == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(few, few)
def test_rank_sums_with_ties_are_the_test_over_all_deals(a: list[float], b: list[float]) -> None:
    p = stats.permutation_test(
        (stats.rankdata([*a, *b])[: len(a)], stats.rankdata([*a, *b])[len(a) :]),
        lambda x, y, axis: x.sum(axis), vectorized=True, n_resamples=np.inf,
    ).pvalue  # fmt: skip
    assert rank_sum_p(np.array(a), np.array(b)) == pytest.approx(min(1.0, p))


def test_without_ties_they_are_scipys_exact_tests() -> None:
    rng = np.random.default_rng(0)
    for n in (5, 12, 30):
        gaps, other = rng.normal(0.4, 1, n), rng.normal(size=n + 3)
        assert signed_ranks(gaps)[0] == pytest.approx(stats.wilcoxon(gaps, method="exact").pvalue)
        assert rank_sum_p(gaps, other) == pytest.approx(stats.mannwhitneyu(gaps, other, method="exact").pvalue)


def test_ties_are_exact() -> None:
    assert rank_sum_p(np.ones(3), 2 * np.ones(3)) == pytest.approx(0.1)  # the normal approximation says 0.047
    assert signed_ranks(np.array([1.0, 1, 1, 1, np.inf, np.inf]))[0] == pytest.approx(2 / 64)
    assert signed_ranks(np.zeros(5)) == (1, 0)


@pytest.mark.parametrize("n", [199, 201, 1100])
def test_many_values_are_those_of_scipy_with_ties(n: int) -> None:
    """Exact up to 200 values, normal above; counts of all signs would be too large for a number from 1,024 on."""
    rng = np.random.default_rng(n)
    gaps = rng.integers(-3, 5, n).astype(float)
    told = stats.wilcoxon(gaps, zero_method="wilcox", correction=False, method="approx").pvalue
    assert signed_ranks(gaps)[0] == pytest.approx(told, rel=0.1)
    a, b = gaps, rng.integers(-3, 4, 2 * n).astype(float)
    told = stats.mannwhitneyu(a, b, use_continuity=False, method="asymptotic").pvalue
    assert rank_sum_p(a, b) == pytest.approx(told, rel=0.1)
    assert signed_ranks(np.arange(1.0, n + 1)) == (pytest.approx(0, abs=1e-30), 1)
    assert rank_sum_p(np.ones(n), np.ones(n)) == 1
