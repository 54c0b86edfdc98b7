"""Five answers from one interval; seeds that would decide; statsmodels as the oracle."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from dnnx.reports.answers import Enough, answer, enough_seeds, power
from dnnx.reports.comparison import Comparison, compare
from dnnx.reports.levels import Level
from dnnx.reports.scales import Scale


def interval(low: float, high: float, p: float = 0.5) -> Comparison:
    return Comparison("paired t test", 5, (low + high) / 2, low, high, p, int(np.sign(low + high)))


@pytest.mark.parametrize(
    ("low", "high", "given"),
    [
        (0.2, 0.9, ("yes", False)),
        (0.1, 0.4, ("yes", True)),
        (-0.9, -0.2, ("no", False)),
        (-0.4, -0.1, ("no", True)),
        (-0.3, 0.4, ("same", False)),
        (-0.3, 0.6, ("undecided", False)),
        (-np.inf, 0.4, ("undecided", False)),
        (0.2, np.inf, ("yes", False)),
    ],
)
def test_the_answer_follows_from_the_interval(low: float, high: float, given: tuple[str, bool]) -> None:
    assert answer(interval(low, high), "higher", 0.05, margin=0.5) == given
    contrary = {"yes": "no", "no": "yes"}.get(given[0], given[0])
    assert answer(interval(low, high), "lower", 0.05, margin=0.5) == (contrary, given[1])


def test_without_a_margin_nothing_is_the_same() -> None:
    assert answer(interval(-0.001, 0.001), "higher", 0.05, np.nan) == ("undecided", False)


def test_a_test_without_an_interval_decides_by_its_p() -> None:
    ranks = Comparison("exact signed-rank test", 8, p=0.01, sign=-1)
    assert answer(ranks, "lower", 0.05, 1.0) == ("yes", False)
    assert answer(ranks, "lower", 0.005, 1.0) == ("undecided", False)


def test_the_same_is_that_of_two_one_sided_tests() -> None:
    rng = np.random.default_rng(0)
    same = 0
    for _ in range(100):
        a, b = rng.normal(0, 1, (2, 12))
        found = compare(pd.Series(a), pd.Series(b), Scale(), alpha=0.1)
        is_inside = found.low > -0.9 and found.high < 0.9
        assert is_inside == (ttost_paired(a, b, -0.9, 0.9)[0] < 0.05)
        same += is_inside
    assert 10 < same < 90


def test_power_is_that_of_statsmodels() -> None:
    for gap, n in ((0.5, 10), (1.0, 6), (0.3, 80)):
        found = Comparison("paired t test", 5, gap, sd=1.0, df=4)
        expected = TTestPower().power(gap, n, 0.01, alternative="two-sided")
        assert power(found, n, 0.01, np.nan) == pytest.approx(expected, abs=2e-4)


def test_a_new_study_of_the_seeds_that_are_said_decides_in_80_percent() -> None:
    rng = np.random.default_rng(1)
    for gap, margin in ((0.8, 0.2), (0.0, 0.7)):
        seeds = enough_seeds(Comparison("paired t test", 5, gap, sd=1.0, df=4), Level(0.01, 0.05, 5), margin).new
        assert seeds is not None
        assert 0.73 <= share_decided(rng, gap, margin, seeds, earlier=0) <= 0.87


def test_as_many_seeds_added_by_hand_as_are_said_decide_in_80_percent() -> None:
    """By the interval that the answer will have then, which is wider than that of a new study."""
    rng = np.random.default_rng(2)
    found = enough_seeds(Comparison("paired t test", 5, 0.8, sd=1.0, df=4), Level(0.01, 0.05, 5), 0.2)
    assert found.added is not None
    assert found.new is not None
    assert 5 + found.added > found.new
    assert 0.73 <= share_decided(rng, 0.8, 0.2, 5 + found.added, earlier=1) <= 0.87
    assert share_decided(rng, 0.8, 0.2, found.new, earlier=1) < 0.7


def test_a_new_study_needs_as_many_seeds_whether_or_not_seeds_were_added_to_this_one() -> None:
    found = Comparison("paired t test", 5, 0.4, sd=1.0, df=4)
    added_to = enough_seeds(replace(found, anytime=True), Level(), 0.1)
    assert added_to == enough_seeds(found, Level(), 0.1)
    assert added_to.new is not None
    assert added_to.added is not None
    assert added_to.new < 5 + added_to.added


def share_decided(rng: np.random.Generator, gap: float, margin: float, seeds: int, earlier: int) -> float:
    """Return the share of 300 studies whose answer at the level of 1 % is not undecided."""
    decided = 0
    for _ in range(300):
        x = pd.Series(rng.normal(gap, 1, seeds))
        found = compare(x, 0 * x, Scale(), 0.01, earlier=earlier)
        decided += answer(found, "higher", 0.01, margin)[0] != "undecided"
    return decided / 300


def test_seeds_are_added_by_hand_to_no_study_with_planned_looks() -> None:
    """And a new study, which looks once, has the whole level of the claim."""
    found = Comparison("paired t test", 20, 0.3, sd=1.0, df=19)
    looked = enough_seeds(found, Level(0.03, 0.05, 1, 3, 3), 0.1)
    assert looked.added is None
    assert looked.new == enough_seeds(found, Level(), 0.1).new


def test_arms_without_common_seeds_need_half_of_all_seeds_each() -> None:
    found = Comparison("Welch t test", 10, 0.8, sd=2.0, df=8, paired=False)
    alike = enough_seeds(replace(found, paired=True), Level(), 0.2)
    assert alike.new is not None
    assert enough_seeds(found, Level(), 0.2) == Enough((alike.new + 1) // 2)


def test_where_seeds_are_lost_in_both_arms_as_many_more_are_needed() -> None:
    found = Comparison("paired t test", 5, 0.8, sd=1.0, df=4)
    all_count, a_third = enough_seeds(found, Level(), 0.2), enough_seeds(replace(found, lost=10), Level(), 0.2)
    assert None not in (all_count.new, all_count.added)
    assert (a_third.new, a_third.added) == (3 * all_count.new, 3 * all_count.added)  # type: ignore[operator]


def test_bonferroni_is_that_of_statsmodels() -> None:
    p = [0.01, 0.04, 0.3]
    level = Level(0.05 / len(p), 0.05, len(p))
    assert [level.adjusted(x) for x in p] == pytest.approx(list(multipletests(p, method="bonferroni")[1]))


def test_an_answer_without_a_count_of_seeds_says_why() -> None:
    level = Level()
    near = replace(interval(-0.01, 0.011, 0.9), sd=1.0, df=4.0)
    assert enough_seeds(near, level, np.nan).words.startswith("even a new study of 1,000 seeds would probably not")
    exact = Comparison("exact McNemar test", 5, 0.2, -0.1, 0.5, 0.4, 1, gaps=(0.0, 1.0, 0.0, 0.0, 0.0))
    assert enough_seeds(exact, level, 0.1).words.endswith("cannot be estimated, as each seed counts as 0 or 1 only")
    endless = replace(exact, test="exact signed-rank test", gaps=(np.inf, 1.0, 0.0, 0.0, 0.0))
    assert enough_seeds(endless, level, 0.1).words.endswith(", as seeds diverged or never got there")
    of_groups = replace(exact, test="exact rank-sum test", gaps=(), paired=False)
    assert enough_seeds(of_groups, level, 0.1).words.endswith(", as seeds diverged or never got there")
    assert enough_seeds(Comparison("no test", 1), level, 0.1).words == ""
