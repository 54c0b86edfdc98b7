"""Five answers from one interval; seeds that would decide; statsmodels as the oracle."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from dnnx.reports.answers import answer, more_seeds, power
from dnnx.reports.comparison import Comparison, compare
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


def test_as_many_more_seeds_as_are_said_decide_in_80_percent() -> None:
    rng = np.random.default_rng(1)
    for gap, margin in ((0.8, 0.2), (0.0, 0.7)):
        more = more_seeds(Comparison("paired t test", 5, gap, sd=1.0, df=4), 0.01, margin)
        assert more is not None
        decided = 0
        for _ in range(300):
            x = pd.Series(rng.normal(gap, 1, 5 + more))
            decided += answer(compare(x, 0 * x, Scale(), 0.01), "higher", 0.01, margin)[0] != "undecided"
        assert 0.73 <= decided / 300 <= 0.87


def test_no_number_of_seeds_is_said_where_none_is_known() -> None:
    assert more_seeds(Comparison("paired t test", 5, 0.0, sd=1.0, df=4), 0.05, np.nan) is None
    assert more_seeds(Comparison("exact signed-rank test", 8, p=0.2), 0.05, 1.0) is None


def test_bonferroni_is_that_of_statsmodels() -> None:
    p = [0.01, 0.04, 0.3]
    assert [min(1.0, len(p) * x) for x in p] == pytest.approx(list(multipletests(p, method="bonferroni")[1]))
