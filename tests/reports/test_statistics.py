"""Intervals, differences, tests and Holm on plain numbers."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dnnx.reports.statistics import difference, estimate, first_at_most, holm, matching_level, paired, unpaired

values = st.lists(st.floats(-100, 100), min_size=2, max_size=12)
pairs = st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=12)
probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def series(numbers, seeds=None) -> pd.Series:
    return pd.Series(list(numbers), index=range(len(numbers)) if seeds is None else seeds, dtype=float)


@settings(deadline=None)
@given(values)
def test_interval_contains_its_mean_and_grows_with_the_level(x):
    narrow, wide = estimate(x), estimate(x, level=0.99)
    assert wide.low <= narrow.low <= narrow.mean <= narrow.high <= wide.high


def test_interval_is_scipys_t_interval():
    x = [0.97, 0.98, 0.99, 0.96]
    e = estimate(x)
    assert (e.low, e.high) == pytest.approx(stats.ttest_1samp(x, 0).confidence_interval(0.95))


def test_an_interval_ends_where_a_share_does():
    high, low = estimate([0.7, 0.99], share=True), estimate([0.01, 0.2], share=True)
    assert (high.high, low.low) == (1, 0)
    assert estimate([0.7, 0.99]).high > 1


@pytest.mark.parametrize(("x", "n"), [([], 0), ([0.5], 1), ([np.nan, 0.5], 1)])
def test_fewer_than_two_values_have_no_interval(x, n):
    e = estimate(x)
    assert e.n == n
    assert np.isnan(e.low)
    assert np.isnan(e.high)


@settings(max_examples=50, deadline=None)
@given(pairs, st.randoms())
def test_pairing_does_not_depend_on_the_order_of_seeds(xy, random):
    a, b = (series(column) for column in zip(*xy, strict=True))
    order = list(range(len(a)))
    random.shuffle(order)
    assert paired(a, b) == paired(a.iloc[order], b)


@settings(max_examples=50, deadline=None)
@given(pairs)
def test_exchanged_arms_turn_the_difference_around(xy):
    a, b = (series(column) for column in zip(*xy, strict=True))
    there, back = paired(a, b), paired(b, a)
    assert there.mean == -back.mean
    assert there.p == pytest.approx(back.p)
    assert there.direction == -back.direction


def test_paired_refuses_unequal_seeds_and_difference_turns_to_welch():
    a, b = series([1, 2, 4]), series([1, 2, 3], seeds=[7, 8, 9])
    with pytest.raises(ValueError, match="equal seeds"):
        paired(a, b)
    assert difference(a, b).test == "Welch t test"
    assert difference(a, b).p == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)


def test_one_seed_decides_nothing():
    assert np.isnan(paired(series([0.9]), series([0.1])).p)
    assert np.isnan(unpaired(series([0.9]), series([0.1, 0.2], seeds=[3, 4])).p)


@pytest.mark.parametrize(("shift", "p"), [(0.0, 1.0), (0.1, 2 * 0.5**5)])
def test_equal_differences_are_no_infinite_t_but_a_sign_test(shift, p):
    base = series([0.1, 0.2, 0.3, 0.7, 0.9])
    d = paired(base + shift, base)
    assert d.test == "sign test"
    assert d.p == pytest.approx(p)


def test_a_seed_that_never_arrives_counts_as_worst_and_is_not_dropped():
    arm, than = series([5, 6, 7, 8, np.inf, np.inf]), series([3, 4, 5, 6, 3, 4])
    d = paired(arm, than)
    assert (d.test, d.n, d.higher, d.lower) == ("sign test", 6, 6, 0)
    assert d.p == pytest.approx(2 * 0.5**6)
    assert unpaired(arm, than.set_axis(range(10, 16))).test == "Mann-Whitney test"


def test_two_seeds_that_never_arrive_are_a_tie():
    d = paired(series([np.inf, 2, 3]), series([np.inf, 4, 5]))
    assert (d.n, d.higher, d.lower) == (3, 0, 2)


def test_missing_values_are_left_out():
    d = paired(series([1, 2, 4, np.nan]), series([0, 0, 1, 9]))
    assert (d.n, d.mean) == (3, 2.0)


@settings(deadline=None)
@given(probabilities)
def test_holm_is_between_raw_and_bonferroni_and_keeps_the_order(p):
    adjusted = holm(p)
    assert all(raw <= a <= min(1, len(p) * raw) or a == pytest.approx(raw) for raw, a in zip(p, adjusted, strict=True))
    order = np.argsort(p, kind="stable")
    assert all(np.diff(np.array(adjusted)[order]) >= 0)


def test_holm_by_hand_and_without_the_untested():
    assert holm([0.01, 0.04, np.nan, 0.03]) == pytest.approx([0.03, 0.06, np.nan, 0.06], nan_ok=True)


@settings(max_examples=200, deadline=None)
@given(pairs, st.lists(st.floats(0, 1), max_size=5))
def test_the_interval_never_contradicts_the_adjusted_p(xy, others):
    a, b = (series(column) for column in zip(*xy, strict=True))
    raw = paired(a, b)
    adjusted = holm([raw.p, *others])[0]
    d = paired(a, b, matching_level(raw.p, adjusted))
    middle = 0.5 if d.test == "sign test" else 0.0
    inside = d.low <= middle <= d.high
    assert inside == (adjusted >= 0.05) or adjusted == pytest.approx(0.05)


def test_first_epoch_at_most_the_target():
    curve = pd.Series([0.9, 0.5, 0.6, 0.4], index=[1, 2, 3, 4])
    assert first_at_most(curve, 0.5) == 2
    assert first_at_most(curve, 0.1) == np.inf
