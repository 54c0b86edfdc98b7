"""Comparisons of two arms: false answers are as rare as promised, intervals cover, and more evidence never weakens."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dnnx.reports.answers import answer
from dnnx.reports.comparison import compare
from dnnx.reports.scales import EPOCH, Scale

PLAIN = Scale(margin=0.6)
SHARE = Scale(resolution=1 / 5000, margin=0.001)
EPOCHS = Scale(ratio=True, resolution=EPOCH, margin=float(np.log(1.1)))
gaps = st.lists(st.floats(-3, 3), min_size=2, max_size=12)
Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def series(numbers: object, seeds: Any = None) -> pd.Series:
    x = np.asarray(numbers, dtype=float)
    return pd.Series(x, index=range(x.size) if seeds is None else seeds)


def normal(n: int, spread: float = 1.0) -> Draw:
    """Pairs that share half of their variance."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        shared = rng.normal(size=n)
        return shared + rng.normal(size=n), shared + spread * rng.normal(size=n)

    return draw


def accuracies(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    a, b = (rng.binomial(5000, np.clip(rng.normal(0.98, 0.001, 5), 0, 1)) / 5000 for _ in range(2))
    return a, b


def coarse(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Shares of 100 images, of which many tie."""
    a, b = (rng.binomial(100, 0.97, 5) / 100 for _ in range(2))
    return a, b


def epochs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    a, b = (np.ceil(np.exp(rng.normal(1.2, 0.3, 6))) for _ in range(2))
    return a, b


def diverging(share: float, n: int) -> Draw:
    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        a, b = (np.where(rng.random(n) < share, -np.inf, rng.normal(size=n)) for _ in range(2))
        return a, b

    return draw


def diverged(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    a, b = ((rng.random(20) < 0.4) * 1.0 for _ in range(2))
    return a, b


NULLS: dict[str, tuple[Draw, Scale]] = {
    "normal": (normal(5), PLAIN),
    "unequal spreads": (normal(6, spread=5), PLAIN),
    "accuracies": (accuracies, SHARE),
    "ties": (coarse, Scale(resolution=1 / 100, margin=0.001)),
    "epochs": (epochs, EPOCHS),
    "few diverged": (diverging(0.1, 8), PLAIN),
    "many diverged": (diverging(0.4, 8), PLAIN),
    "0 or 1": (diverged, Scale(margin=0.001)),
}


@pytest.mark.parametrize("unpaired", [False, True], ids=["paired", "unpaired"])
@pytest.mark.parametrize("kind", NULLS)
def test_equal_arms_get_at_most_5_percent_false_answers(kind: str, unpaired: bool) -> None:
    draw, scale = NULLS[kind]
    rng, wrong = np.random.default_rng(3), 0
    for _ in range(500):
        a, b = draw(rng)
        found = compare(series(a), series(b, range(100, 100 + b.size) if unpaired else None), scale)
        wrong += answer(found, "higher", 0.05, scale.margin)[0] in ("yes", "no")
    assert wrong <= 37, f"{wrong} of 500; 5 % are 25, and more than 37 has a chance of 0.01"


def test_the_same_is_claimed_at_the_margin_in_at_most_5_percent() -> None:
    rng, wrong = np.random.default_rng(4), 0
    for _ in range(800):
        a, b = normal(20)(rng)
        wrong += answer(compare(series(a + PLAIN.margin), series(b), PLAIN), "higher", 0.05, PLAIN.margin)[0] == "same"
    assert wrong <= 40


@pytest.mark.parametrize("n", [3, 5, 20])
@pytest.mark.parametrize("unpaired", [False, True], ids=["paired", "unpaired"])
def test_95_percent_intervals_cover_the_difference_in_93_to_97_percent(n: int, unpaired: bool) -> None:
    rng, covered = np.random.default_rng(n), 0
    for _ in range(1000):
        a, b = rng.normal(size=(2, n)) if unpaired else normal(n)(rng)
        found = compare(series(a + 1), series(b, range(100, 100 + n) if unpaired else None), PLAIN)
        covered += found.low <= 1 <= found.high
    assert 0.93 <= covered / 1000 <= 0.97


def test_the_interval_is_scipys_where_nothing_is_at_its_resolution() -> None:
    a, b = series([0.97, 0.98, 0.99, 0.96]), series([0.91, 0.95, 0.99, 0.93])
    paired, unpaired = compare(a, b, SHARE), compare(a, b.set_axis(range(7, 11)), SHARE)
    assert (paired.test, unpaired.test) == ("paired t test", "Welch t test")
    assert (paired.low, paired.high) == pytest.approx(tuple(stats.ttest_1samp(a - b, 0).confidence_interval(0.95)))
    welch = stats.ttest_ind(a, b, equal_var=False)
    assert (unpaired.low, unpaired.high) == pytest.approx(tuple(welch.confidence_interval(0.95)))
    assert (paired.p, unpaired.p) == pytest.approx((stats.ttest_1samp(a - b, 0).pvalue, welch.pvalue))


@settings(max_examples=60, deadline=None)
@given(gaps, st.floats(0.001, 0.2))
def test_the_interval_leaves_out_0_just_where_p_is_below_alpha(x: list[float], alpha: float) -> None:
    found = compare(series(x), series([0] * len(x)), PLAIN, alpha)
    if found.low == found.low and abs(found.p - alpha) > 1e-9:
        assert (found.low > 0 or found.high < 0) == (found.p < alpha)


def said(x: object, scale: Scale = PLAIN) -> str:
    numbers = np.asarray(x, dtype=float)
    return answer(compare(series(numbers), series(np.zeros(numbers.size)), scale), "higher", 0.05, 0.0)[0]


STRENGTH = {"no": 0, "undecided": 1, "yes": 2}


@settings(max_examples=100, deadline=None)
@given(gaps)
def test_one_more_seed_with_the_mean_difference_never_weakens_an_answer(x: list[float]) -> None:
    if np.mean(x) > 0:
        assert STRENGTH[said([*x, np.mean(x)])] >= STRENGTH[said(x)]


@settings(max_examples=100, deadline=None)
@given(gaps, st.floats(0, 1))
def test_one_more_favourable_seed_that_is_not_far_out_never_weakens_an_answer(x: list[float], share: float) -> None:
    """From the mean of the others up to the sum of their squares over their sum, where t is highest."""
    if np.mean(x) > 1e-3:
        far = np.sum(np.square(x)) / np.sum(x)
        gap = np.mean(x) + share * (far - np.mean(x))
        before, after = (compare(series(y), series([0] * len(y)), PLAIN) for y in (x, [*x, gap]))
        assert after.p <= before.p * (1 + 1e-9)
        assert STRENGTH[said([*x, gap])] >= STRENGTH[said(x)]


def test_a_favourable_seed_far_out_can_weaken_an_answer() -> None:
    """The exception that docs/statistics.md states: it adds more to the spread than to the mean."""
    near = [0.9, 1.0, 1.1, 1.0, 0.9]
    assert (said(near), said([*near, 30.0])) == ("yes", "undecided")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=12))
def test_one_more_seed_in_which_only_the_other_arm_diverged_never_weakens_an_answer(x: list[float]) -> None:
    other = [0.0] * len(x) + [-np.inf]
    with_it = answer(compare(series([*x, 0.0]), series(other), PLAIN), "higher", 0.05, 0.0)[0]
    assert STRENGTH[with_it] >= STRENGTH[said(x)] or said(x) == "undecided"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=4, max_size=10))
def test_one_more_seed_of_many_that_diverged_never_weakens_an_answer(x: list[float]) -> None:
    """More than a quarter of the seeds are infinite, so ranks decide before and after."""
    ours, many = [*x, *[0.0] * 6], [*[0.0] * len(x), *[-np.inf] * 6]
    before = compare(series(ours), series(many), PLAIN)
    after = compare(series([*ours, 0.0]), series([*many, -np.inf]), PLAIN)
    assert before.test == "exact signed-rank test"
    assert after.p <= before.p or before.sign <= 0


def test_five_of_five_epochs_earlier_are_a_yes_as_four_and_a_tie_are() -> None:
    later, scale = series([9, 10, 9, 8, 10]), Scale(resolution=EPOCH, margin=1.0)
    five, four = compare(later - 1, later, scale), compare(later - [1, 1, 1, 1, 0], later, scale)
    assert [answer(x, "lower", 0.05, 1.0)[0] for x in (five, four)] == ["yes", "yes"]
    assert five.p < four.p


def test_equal_values_are_the_same_and_not_a_certain_difference() -> None:
    found = compare(series([0.9] * 5), series([0.9] * 5), SHARE)
    assert (found.gap, found.sign, found.p) == (0, 0, 1)
    assert answer(found, "higher", 0.05, SHARE.margin)[0] == "same"


def test_arms_are_paired_on_the_seeds_that_both_have() -> None:
    rng = np.random.default_rng(0)
    b = rng.normal(size=10)
    a = b[:5] + 1 + 0.1 * rng.normal(size=5)
    found = compare(series(a), series(b), PLAIN)
    assert (found.test, found.n) == ("paired t test", 5)
    assert found.p == pytest.approx(stats.ttest_rel(a, b[:5]).pvalue)
    assert compare(series(a), series(b, range(4, 14)), PLAIN).test == "Welch t test", "one shared seed is no pairing"


def test_a_few_diverged_seeds_leave_the_bound_on_their_own_side_open() -> None:
    rng = np.random.default_rng(0)
    a, b = 2 + rng.normal(size=8), rng.normal(size=8)
    worse = b.copy()
    worse[0] = -np.inf
    found, without = compare(series(a), series(worse), PLAIN), compare(series(a[1:]), series(b[1:]), PLAIN)
    assert (found.low, found.high, found.n) == (without.low, np.inf, 8)
    against = a.copy()
    against[0] = -np.inf
    assert compare(series(against), series(b), PLAIN).p == 1, "the diverged seed contradicts the others"


def test_two_seeds_that_never_arrive_are_a_tie_and_missing_values_are_left_out() -> None:
    found = compare(series([np.inf, np.inf, 2, 3]), series([np.inf, np.inf, 4, 5]), EPOCHS)
    assert (found.n, found.counts) == (4, (0, 2, 2))
    found = compare(series([1, 2, 4, np.nan]), series([0, 0, 1, 9]), PLAIN)
    assert (found.n, found.gap) == (3, 2.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=12), st.randoms())
def test_neither_the_order_of_seeds_nor_that_of_arms_matters(xy: list[tuple[float, float]], random: object) -> None:
    a, b = (series(column) for column in zip(*xy, strict=True))
    order = list(range(len(a)))
    random.shuffle(order)  # type: ignore[attr-defined]
    there, shuffled, back = compare(a, b, PLAIN), compare(a.iloc[order], b, PLAIN), compare(b, a, PLAIN)
    assert shuffled.p == pytest.approx(there.p)
    assert (back.gap, back.sign) == (-there.gap, -there.sign)
    assert back.p == pytest.approx(there.p)


def test_one_seed_decides_nothing() -> None:
    assert not compare(series([0.9]), series([0.1]), PLAIN).tested
    assert not compare(series([0.9]), series([0.1, 0.2], [3, 4]), PLAIN).tested
