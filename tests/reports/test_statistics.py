"""Estimates, ratios and first epochs on plain numbers."""

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dnnx.reports.statistics import estimate, first_at_most, log_ratio

values = st.lists(st.floats(-100, 100), min_size=2, max_size=12)


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@settings(deadline=None)
@given(values)
def test_interval_contains_its_mean_and_grows_with_the_level(x: list[float]) -> None:
    narrow, wide = estimate(x), estimate(x, level=0.99)
    assert wide.low <= narrow.low <= narrow.mean <= narrow.high <= wide.high


def test_interval_is_scipys_t_interval() -> None:
    x = [0.97, 0.98, 0.99, 0.96]
    e = estimate(x)
    assert (e.low, e.high) == pytest.approx(tuple(stats.ttest_1samp(x, 0).confidence_interval(0.95)))


def test_an_interval_ends_where_a_share_does() -> None:
    high, low = estimate([0.7, 0.99], share=True), estimate([0.01, 0.2], share=True)
    assert (high.high, low.low) == (1, 0)
    assert estimate([0.7, 0.99]).high > 1


@settings(deadline=None)
@given(st.lists(st.floats(0, 1000), min_size=2, max_size=8))
def test_an_interval_of_skewed_values_is_never_below_0(x: list[float]) -> None:
    e = estimate(x, skewed=True)
    assert 0 <= e.low <= e.mean * (1 + 1e-9)
    assert e.mean <= e.high * (1 + 1e-9)


def test_skewed_values_have_a_geometric_mean() -> None:
    e = estimate([1.0, 10.0, 100.0], skewed=True)
    low, high = stats.ttest_1samp(np.log([1.0, 10, 100]), 0).confidence_interval(0.95)
    assert (e.mean, e.low, e.high) == pytest.approx((10, np.exp(low), np.exp(high)))
    assert estimate([0.0, 10.0], skewed=True).mean == 5, "a zero has no logarithm"


@pytest.mark.parametrize(("x", "n"), [([], 0), ([0.5], 1), ([np.nan, 0.5], 1)])
def test_fewer_than_two_values_have_no_interval(x: list[float], n: int) -> None:
    e = estimate(x)
    assert e.n == n
    assert np.isnan(e.low)
    assert np.isnan(e.high)


def test_a_ratio_of_means_has_an_interval_and_needs_two_values_of_each() -> None:
    e = log_ratio([2.0, 2.2, 1.9], [1.0, 1.1, 1.05])
    assert e.low < np.log(2) < e.high
    assert log_ratio([2.0, 2.0], [1.0, 1.0]).low == pytest.approx(np.log(2))
    assert log_ratio([2.0], [1.0, 1.0]).n == 0


def test_first_epoch_at_most_the_target() -> None:
    curve = pd.Series([0.9, 0.5, 0.6, 0.4], index=[1, 2, 3, 4])
    assert first_at_most(curve, 0.5) == 2
    assert first_at_most(curve, 0.1) == np.inf


def test_a_ratio_of_equal_values_to_others_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    found = log_ratio([10.0, 10.0, 10.0], [5.0, 5.1, 4.9])
    assert found.low < np.log(2) < found.high
    assert not recwarn.list
