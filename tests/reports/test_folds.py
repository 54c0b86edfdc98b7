"""Folds of the same rows: an interval that repeating the division does not shrink to nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dnnx.reports.answers import enough_seeds
from dnnx.reports.comparison import compare
from dnnx.reports.levels import Level
from dnnx.reports.questions import overlap
from dnnx.reports.scales import Scale
from dnnx.reports.statistics import estimate
from dnnx.runs.run import Run


def pair(n: int) -> tuple[pd.Series, pd.Series]:
    rng = np.random.default_rng(0)
    return pd.Series(rng.normal(0.5, 1, n)), pd.Series(np.zeros(n))


def test_only_runs_of_folds_overlap() -> None:
    sizes = {"sizes": {"train": 60, "val": 15, "test": 25}}
    made = Run("a", Path("a"), config={"data": {"folds": 4}}, data=sizes)
    assert overlap(made) == pytest.approx(25 / 75)
    assert overlap(replace(made, config={"data": {"folds": None}})) == 0


def test_the_interval_is_that_of_nadeau_and_bengio() -> None:
    arm, than = pair(12)
    plain, folds = (compare(arm, than, Scale(overlap=share)) for share in (0.0, 1 / 3))
    assert (folds.high - folds.gap) / (plain.high - plain.gap) == pytest.approx((1 + 12 / 3) ** 0.5)
    assert folds.p > plain.p
    assert "Nadeau" in folds.test
    one, other = estimate(arm), estimate(arm, overlap=1 / 3)
    assert (other.high - other.mean) / (one.high - one.mean) == pytest.approx((1 + 12 / 3) ** 0.5)


def test_more_rounds_of_the_same_rows_do_not_decide() -> None:
    arm, than = pair(2000)
    folds = compare(arm, than, Scale(overlap=1 / 3))
    assert folds.high - folds.low > 2
    assert np.isnan(folds.sd), "no number of seeds is promised to decide"
    told = enough_seeds(folds, Level(), 0.1).words
    assert told.startswith("more seeds only test the same rows again")


def test_arms_of_other_folds_share_rows_too() -> None:
    arm, than = pair(12)
    than.index = than.index + 100
    plain, folds = (compare(arm, than + arm.to_numpy()[::-1] - 0.5, Scale(overlap=share)) for share in (0.0, 1 / 3))
    assert not folds.paired
    assert (folds.high - folds.gap) / (plain.high - plain.gap) == pytest.approx((1 + 12 / 3) ** 0.5)
    assert np.isnan(folds.sd)


@pytest.mark.parametrize("shift", [0, 100], ids=["pairs", "groups"])
def test_exact_tests_do_not_know_folds_so_they_decide_nothing(shift: int) -> None:
    others = pd.RangeIndex(shift, shift + 12)
    lost = pd.Series([np.inf] * 8 + [1.0] * 4)
    assert not compare(lost, pd.Series(np.zeros(12), index=others), Scale(overlap=1 / 3)).tested
    zeros = pd.Series(np.zeros(12), index=others)
    assert not compare(pd.Series(np.ones(12)), zeros, Scale(overlap=1 / 3, binary=True)).tested
    assert compare(pd.Series(np.ones(12)), zeros, Scale(binary=True)).tested


@pytest.mark.slow
def test_equal_arms_get_few_false_answers() -> None:
    """Two features that tell nothing: at most 5 % of 400 data sets are called different."""
    rng, false = np.random.default_rng(0), {0.0: 0, 1 / 3: 0}
    for _ in range(400):
        gaps = []
        x, y = rng.normal(size=(40, 3)), rng.normal(size=40)
        for seed in range(12):
            order = np.random.default_rng(seed // 4).permutation(40)
            test = order[(seed % 4) * 10 : (seed % 4 + 1) * 10]
            train = np.setdiff1d(order, test)
            guess = [np.sign(x[test, i] * (x[train, i] @ y[train])) for i in (0, 1)]
            gaps.append((guess[0] == np.sign(y[test])).mean() - (guess[1] == np.sign(y[test])).mean())
        for share in false:
            found = compare(pd.Series(gaps), pd.Series(np.zeros(12)), Scale(overlap=share))
            false[share] += found.p < 0.05
    assert false[1 / 3] <= 0.05 * 400
    assert false[0.0] > 0.10 * 400
