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

from dnnx.reports import binary
from dnnx.reports.answers import answer
from dnnx.reports.comparison import compare, critical, pairs
from dnnx.reports.levels import anytime_p, anytime_t
from dnnx.reports.pooling import Pool
from dnnx.reports.ranks import rank_sum_p
from dnnx.reports.scales import EPOCH, Scale, scale_of
from dnnx.runs.about import About

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


def units(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Shares of 100 hidden units of which hardly any is dead, with three seeds: half of the studies have no spread."""
    a, b = (rng.binomial(2, 0.5, 3) / 100 for _ in range(2))
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
    "few units": (units, Scale(resolution=1 / 100, margin=0.001)),
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
        a, b = normal(80)(rng)  # with fewer the interval hardly fits into the margin, and the rate is near 0
        wrong += answer(compare(series(a + PLAIN.margin), series(b), PLAIN), "higher", 0.05, PLAIN.margin)[0] == "same"
    assert 8 <= wrong <= 40, f"{wrong} of 800; an interval of 95 % should err in 20"


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


def test_a_seed_that_is_lost_in_both_arms_does_not_take_the_margin_away() -> None:
    rng = np.random.default_rng(0)
    b = np.append(rng.normal(0.98, 0.001, 79), -np.inf)
    with_it, without = (compare(series(x), series(y), SHARE) for x, y in ((b + 1e-5, b), ((b + 1e-5)[:79], b[:79])))
    assert (with_it.low, with_it.high, with_it.p) == (without.low, without.high, without.p)
    assert answer(with_it, "higher", 0.05, SHARE.margin)[0] == "same"


def test_ranks_answer_on_the_side_of_their_sums_and_not_of_more_seeds() -> None:
    """In 19 of 40 pairs the other arm never arrives, in 21 it is an epoch ahead: never weighs more."""
    ours, other = series([5.0] * 40), series([np.inf] * 19 + [4.0] * 21)
    found = compare(ours, other, Scale(ranks=True))
    assert (found.test, found.counts) == ("exact signed-rank test", (21, 19, 0))
    assert found.p < 0.05
    assert answer(found, "lower", 0.05, np.nan)[0] == "yes"


def test_shares_of_seeds_are_the_same_only_with_seeds_enough() -> None:
    diverged = scale_of("diverged/share", About("%"), (series([0.0]), series([0.0])))
    for n, expected in ((5, "undecided"), (80, "undecided"), (8000, "same")):
        found = compare(series(np.zeros(n)), series(np.zeros(n)), diverged)
        assert (found.test, answer(found, "higher", 0.05, diverged.margin)[0]) == ("exact McNemar test", expected)


def test_the_margin_of_a_loss_that_is_0_in_a_seed_is_still_a_part() -> None:
    a, b = series([0.0, 0.2, 0.3]), series([0.1, 0.2, 0.3])
    for same, part in ((None, 0.05), (10.0, 0.1)):
        scale = scale_of("test/loss", About("", "lower"), (a, b), same=same)
        assert (scale.ratio, scale.margin, scale.words) == (False, pytest.approx(part * 0.2), f"{100 * part:g} %")
    assert scale_of("gradient/start", About(), (a, b)).margin == pytest.approx(np.log10(1.05))


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


def test_seeds_that_are_lost_in_both_arms_and_missing_values_are_left_out() -> None:
    found = compare(series([np.inf, np.inf, 2, 3]), series([np.inf, np.inf, 4, 5]), EPOCHS)
    assert (found.n, found.test, found.counts) == (2, "paired t test", (0, 2, 0))
    by_ranks = Scale(ranks=True)  # of epochs that a seed may never reach: there a tie
    found = compare(series([np.inf, np.inf, 2, 3]), series([np.inf, np.inf, 4, 5]), by_ranks)
    assert (found.n, found.test, found.counts) == (4, "exact signed-rank test", (0, 2, 2))
    lost = compare(series([np.inf] * 3), series([np.inf] * 3), EPOCHS)
    assert (lost.n, lost.p, lost.sign) == (3, 1, 0)
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


def test_two_groups_of_0_and_1_have_fishers_test_and_newcombes_interval() -> None:
    a, b = series([1.0] * 9 + [0] * 3), series([1.0] * 2 + [0] * 10, range(100, 112))
    found = compare(a, b, Scale(margin=0.001))
    low, high = binary.unpaired_interval(a.to_numpy(), b.to_numpy(), 0.95)
    assert (found.test, found.n, found.sign, found.paired) == ("Fisher's exact test", 24, 1, False)
    assert (found.gap, found.low, found.high) == pytest.approx((7 / 12, low, high))
    assert found.p == pytest.approx(stats.fisher_exact([[9, 3], [2, 10]]).pvalue)
    assert compare(b, a, Scale(margin=0.001)).sign == -1
    strict = compare(a, b, Scale(margin=0.001), alpha=0.99 * found.p)
    assert strict.low <= 0 < strict.high, "an interval holds 0 wherever the test does not reject"


def test_pairs_of_0_and_1_have_mcnemars_test() -> None:
    a, b = series([1.0] * 10 + [0, 0]), series([1.0] + [0] * 11)
    found = compare(a, b, Scale(margin=0.001))
    low, high = binary.paired_interval(a.to_numpy(), b.to_numpy(), 0.95)
    assert (found.test, found.n, found.sign) == ("exact McNemar test", 12, 1)
    assert (found.gap, found.low, found.high, found.p) == pytest.approx((0.75, low, high, 2 / 2**9))
    assert compare(b, a, Scale(margin=0.001)).sign == -1
    assert compare(a, b, Scale(margin=0.001), earlier=1).p == pytest.approx(6 * found.p)


def test_groups_without_any_spread_have_that_of_their_resolution() -> None:
    a, b, resolution = series([0.9] * 4), series([0.8] * 4, range(10, 14)), 0.01
    found = compare(a, b, Scale(resolution=resolution))
    half = stats.t.ppf(0.975, 6) * resolution / 4**0.5
    assert (found.low, found.high, found.df) == pytest.approx((0.1 - half, 0.1 + half, 6))
    assert found.sd == pytest.approx(resolution * 2**0.5)
    paired = compare(a, b.set_axis(range(4)), Scale(resolution=resolution))
    half = stats.t.ppf(0.975, 3) * resolution / 4**0.5
    assert (paired.low, paired.high, paired.sd, paired.df) == pytest.approx((0.1 - half, 0.1 + half, resolution, 3))


def test_welchs_degrees_of_freedom_and_spread() -> None:
    x, y = np.array([1.0, 2, 4, 8]), np.array([1.0, 1.5, 2, 2.5, 3, 9])
    found = compare(series(x), series(y, range(10, 16)), PLAIN)
    welch = stats.ttest_ind(x, y, equal_var=False)
    assert (found.df, found.p) == pytest.approx((welch.df, welch.pvalue))
    assert found.sd == pytest.approx(((x.var(ddof=1) / 4 + y.var(ddof=1) / 6) * 10) ** 0.5)
    assert (found.n, found.test) == (10, "Welch t test")


def test_one_value_on_a_side_is_no_test_and_two_are() -> None:
    one = compare(series([1.0]), series([1.0, 2, 3], range(10, 13)), PLAIN)
    assert (one.test, one.n, one.tested, one.gap) == ("no test", 4, False, -1)
    assert compare(series([1.0, 5]), series([1.0, 2, 3], range(10, 13)), PLAIN).tested
    assert compare(series([1.0]), series([2.0]), PLAIN).tested is False
    assert np.isnan(one.low)
    assert np.isnan(one.sd)
    assert one.anytime is False


def test_half_of_the_seeds_are_enough_to_pair() -> None:
    b = series(range(8))
    assert pairs(series([1, 2, 3, 4], [0, 1, 20, 21]), b) is not None
    assert pairs(series([1, 2, 3, 4, 5], [0, 1, 20, 21, 22]), b) is None
    assert pairs(series([1.0], [0]), b) is None
    assert pairs(series([1.0, 2], [0, 1]), b) is not None


def test_the_correlation_of_pairs() -> None:
    x, y = np.array([1.0, 2, 4, 7]), np.array([1.0, 3, 2, 9])
    assert compare(series(x), series(y), PLAIN).correlation == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert np.isnan(compare(series(x[:2]), series(y[:2]), PLAIN).correlation), "of two pairs it is always 1"
    assert compare(series(x[:3]), series(y[:3]), PLAIN).correlation == pytest.approx(np.corrcoef(x[:3], y[:3])[0, 1])
    assert np.isnan(compare(series(x), series([1.0] * 4), PLAIN).correlation)
    assert np.isnan(compare(series([1.0] * 4), series(y), PLAIN).correlation)
    infinite = compare(series([*x, 5]), series([*y, -np.inf]), PLAIN)
    assert infinite.correlation == pytest.approx(np.corrcoef(x, y)[0, 1])


@pytest.mark.parametrize(("count", "test"), [(1, "paired t test"), (2, "paired t test"), (3, "exact signed-rank test")])
def test_up_to_a_quarter_of_the_pairs_may_be_infinite_in_a_t_test(count: int, test: str) -> None:
    b = np.arange(8.0)
    other = np.where(np.arange(8) < count, -np.inf, b)
    found = compare(series(b + [1.0, 2] * 4), series(other), PLAIN)
    assert found.test == test
    assert found.sign == 1
    if count <= 2:
        finite = compare(series((b + [1.0, 2] * 4)[count:]), series(b[count:]), PLAIN)
        assert (found.low, found.high, found.p) == (finite.low, np.inf, finite.p)
        assert np.isnan(found.sd)
        mirrored = compare(series(other), series(b + [1.0, 2] * 4), PLAIN)
        assert (mirrored.low, mirrored.high, mirrored.sign) == (-np.inf, -finite.low, -1)


def test_diverged_seeds_of_two_groups_are_ranked() -> None:
    a, b = series([1.0, 2, 3, 4]), series([-np.inf, -np.inf, 0, 0.5], range(10, 14))
    found = compare(a, b, PLAIN)
    assert (found.test, found.sign, found.n) == ("exact rank-sum test", 1, 8)
    assert found.p == pytest.approx(rank_sum_p(a.to_numpy(), b.to_numpy()))
    assert compare(b, a, PLAIN).sign == -1
    assert found.gap == pytest.approx(2.5 - 0.25)


def test_folds_of_the_same_rows_have_wider_intervals() -> None:
    """The corrected resampled t test of Nadeau and Bengio (2003): the variance of a mean is sd^2 (1 / n + overlap)."""
    x = np.array([0.3, 0.1, 0.5, 0.2])
    found = compare(series(x), series(np.zeros(4)), Scale(overlap=0.25))
    error = x.std(ddof=1) * (1 / 4 + 0.25) ** 0.5
    half = stats.t.ppf(0.975, 3) * error
    assert (found.low, found.high) == pytest.approx((x.mean() - half, x.mean() + half))
    assert found.p == pytest.approx(2 * stats.t.sf(x.mean() / error, 3))
    assert "of folds" in found.test
    assert np.isnan(found.sd)


def test_critical_values_are_those_of_the_tests() -> None:
    assert critical(5, 4, 0.05) == pytest.approx(stats.t.ppf(0.975, 4))
    assert critical(5, 4, 0.05, anytime=True) == pytest.approx(anytime_t(5, 4, 0.05))


def test_seeds_that_were_added_by_hand_have_an_anytime_valid_interval() -> None:
    x = np.array([0.3, 0.1, 0.5, 0.2, 0.4])
    found = compare(series(x), series(np.zeros(5)), PLAIN, earlier=1)
    assert (found.anytime, found.test, found.df) == (True, "paired anytime-valid t test", 4)
    half = anytime_t(5, 4, 0.05) * x.std(ddof=1) / 5**0.5
    assert (found.low, found.high) == pytest.approx((x.mean() - half, x.mean() + half))
    assert found.p == pytest.approx(anytime_p(x.mean() / (x.std(ddof=1) / 5**0.5), 5, 4))


def test_two_finite_pairs_are_enough_for_a_t_test_and_one_is_not() -> None:
    a, b = np.array([1.0, 2.5]), np.array([0.5, 1.0])
    found = compare(series(a), series(b), PLAIN)
    assert (found.test, found.n, found.p) == ("paired t test", 2, pytest.approx(stats.ttest_rel(a, b).pvalue))
    one = compare(series([1.0, 2.0]), series([0.5, -np.inf]), PLAIN)
    assert one.test == "exact signed-rank test"


def test_a_p_value_of_results_that_were_looked_at_before_is_at_most_1() -> None:
    a, b = series([1.0, 0, 1, 0]), series([0.0, 1, 1, 0])
    assert compare(a, b, Scale(margin=0.001)).p == 1
    assert compare(a, b, Scale(margin=0.001), earlier=2).p == 1


def test_a_pool_gives_its_spread_if_that_is_larger_and_no_pair_is_infinite() -> None:
    a, b = np.array([1.0, 2, 4, 4.5]), np.array([0.5, 1, 2, 4])
    own = (a - b).std(ddof=1)
    found = compare(series(a), series(b), PLAIN, pool=Pool(2 * own, 12.0, 5))
    assert (found.test, found.sd, found.df) == ("paired t test with the spread of 5 arms", pytest.approx(2 * own), 12)
    assert compare(series(a), series(b), PLAIN, pool=Pool(own / 2, 12.0, 5)).sd == pytest.approx(own)
    one = compare(series([*a, 1]), series([*b, -np.inf]), PLAIN, pool=Pool(2 * own, 12.0, 5))
    assert (one.test, one.df) == ("paired t test", 3)
    assert compare(series(a), series(b), PLAIN, pool=Pool(2 * own, 12.0, 5), earlier=1).df == 3


def test_a_small_spread_has_a_correlation_too() -> None:
    x, y = np.array([1.0, 2, 4, 7]) / 100, np.array([1.0, 3, 2, 9]) / 100
    assert compare(series(x), series(y), PLAIN).correlation == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_an_exact_test_whose_p_is_alpha_does_not_reject() -> None:
    """Newcombe's interval of 6 pairs of which all differ leaves 0 out; McNemar's p is 2 / 2^6."""
    a, b = series([1.0] * 6), series([0.0] * 6)
    found = compare(a, b, Scale(margin=0.001), alpha=2 / 2**6)
    assert (found.p, found.low) == (2 / 2**6, 0), "at alpha itself the interval holds 0"
    assert compare(a, b, Scale(margin=0.001), alpha=1.01 * 2 / 2**6).low > 0


def test_the_interval_of_shares_ends_at_100_points_and_of_other_values_nowhere() -> None:
    arm, than = series([0.95, 0.2, 0.9]), series([0.05, 0.1, 0.06])
    cut = compare(arm, than, scale_of("test/accuracy", About("%"), (arm, than)))
    free = compare(arm, than, scale_of("test/mae", About("m"), (arm, than)))
    assert (cut.high, free.high > 1) == (1.0, True)
    assert (cut.low, cut.p) == (free.low, free.p)
