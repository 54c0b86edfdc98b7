"""A spread that is pooled over arms finds more, and keeps the error rate of a study where spreads differ."""

import numpy as np
import pandas as pd
import pytest

from dnnx.reports.comparison import compare
from dnnx.reports.pooling import Pool, pool_arms
from dnnx.reports.scales import Scale


def study(rng: np.random.Generator, spreads: list[float], n: int, shift: float = 0.0) -> dict[str, pd.Series]:
    """Arms that share a luck of the seed; the second is shifted."""
    luck = rng.normal(size=n)
    arms = {str(i): pd.Series(luck + spread * rng.normal(size=n)) for i, spread in enumerate(spreads)}
    arms["1"] = arms["1"] + shift
    return arms


def decided(arms: dict[str, pd.Series], pooled: bool = True) -> list[bool]:
    """Whether each arm differs from the first, at the level that the whole study keeps."""
    pools = pool_arms(arms) if pooled else {}
    share = 0.05 / (len(arms) - 1)
    found = [compare(arms[name], arms["0"], Scale(), share, pools.get(name)) for name in list(arms)[1:]]
    return [x.low > 0 or x.high < 0 for x in found]


@pytest.mark.parametrize(
    ("spreads", "n"),
    [
        ([1.0] * 5, 5),
        ([2.0, 1, 1, 1], 5),
        ([3.0, 1, 1, 1], 3),
        ([2.0, 1, 1, 1, 1, 1], 5),
        ([1.0, 3, 1, 1, 1], 5),
        ([2.0, 1, 1, 1, 1], 10),
    ],
)
def test_a_study_of_equal_arms_has_at_most_5_percent_false_answers(spreads: list[float], n: int) -> None:
    rng = np.random.default_rng(2)
    wrong = sum(any(decided(study(rng, spreads, n))) for _ in range(400))
    assert wrong <= 30, f"{wrong} of 400; 5 % are 20, and more than 30 has a chance of 0.01"


def test_pooling_finds_what_one_pair_misses() -> None:
    rng = np.random.default_rng(0)
    studies = [study(rng, [1.0] * 6, 5, shift=2.8) for _ in range(200)]
    alone, together = (sum(decided(arms, pooled)[0] for arms in studies) for pooled in (False, True))
    assert together > alone + 20


def test_unlike_or_infinite_or_few_arms_are_not_pooled() -> None:
    rng = np.random.default_rng(0)
    arms = study(rng, [1.0] * 4, 20)
    assert set(pool_arms(arms)) == {"0", "1", "2", "3"}
    assert pool_arms(arms)["0"] == Pool(pytest.approx(2**0.5, rel=0.2), 38, 4)  # type: ignore[arg-type]
    assert pool_arms({name: arms[name] for name in "012"}) == {}
    assert pool_arms(arms | {"3": 50 * arms["3"]}) == {}
    assert pool_arms(arms | {"3": arms["3"].where(arms["3"].index > 0, np.inf)}) == {}
    assert pool_arms(arms | {"3": arms["3"].iloc[:10]}) == {}


def test_the_pooled_spread_is_that_of_the_residuals_of_arms_and_seeds() -> None:
    """By least squares on a column for each arm and each seed, as a two-way analysis of variance."""
    arms = study(np.random.default_rng(1), [1.0] * 5, 7, shift=3.0)
    y = np.concatenate([column.to_numpy() for column in arms.values()])
    x = np.hstack([np.repeat(np.eye(5), 7, 0), np.tile(np.eye(7), (5, 1))])
    residuals = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    found = pool_arms(arms)["3"]
    assert found.sd == pytest.approx((2 * (residuals**2).sum() / (4 * 6)) ** 0.5)
    assert (found.df, found.arms) == (12, 5)


@pytest.mark.parametrize(("ratio", "pooled"), [(2.9, True), (3.1, False)])
def test_arms_whose_spreads_differ_by_more_than_three_are_not_pooled(ratio: float, pooled: bool) -> None:
    """Errors that sum to 0 over arms and seeds: the spreads of the arms are 1, 1, ratio, ratio."""
    swing = np.array([1.0, -1, 1, -1, 1, -1])
    table = {"0": swing, "1": -swing, "2": ratio * swing, "3": -ratio * swing}
    assert bool(pool_arms({name: pd.Series(values) for name, values in table.items()})) is pooled


def test_two_seeds_are_enough_to_pool_and_one_is_not() -> None:
    arms = study(np.random.default_rng(3), [1.0] * 4, 2)
    same = {name: pd.Series([0.0, 1.0]) * sign for name, sign in zip("0123", (1, -1, 1, -1), strict=True)}
    assert pool_arms(same)["0"].df == 2
    assert pool_arms({name: column[:1] for name, column in arms.items()}) == {}
    equal = {name: pd.Series([0.5, 0.5]) for name in "0123"}
    assert pool_arms(equal) == {}, "no spread"
