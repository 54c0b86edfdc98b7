"""Levels of repeated looks: together they err as often as promised, for normal values, t statistics and any looks."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dnnx.reports.answers import answer
from dnnx.reports.comparison import compare
from dnnx.reports.levels import Level, anytime_p, anytime_t, nominal_levels, tries
from dnnx.reports.pooling import pool_arms
from dnnx.reports.scales import EPOCH, Scale

LOOKS = [5, 10, 20, 40, 80]


def t_values(x: np.ndarray, n: int) -> np.ndarray:
    """Return the t value of the first n columns of x, for each row."""
    return x[:, :n].mean(1) / (x[:, :n].std(1, ddof=1) / n**0.5)


def test_with_many_seeds_the_levels_are_those_of_normal_values() -> None:
    found = nominal_levels([100 * n for n in LOOKS], 0.05)
    assert found == pytest.approx([0.0031, 0.0038, 0.0077, 0.0150, 0.0321], rel=0.04)


def test_a_single_look_spends_all() -> None:
    assert nominal_levels([10], 0.05) == (0.05,)
    assert nominal_levels([80], 0.01) == (0.01,)


@pytest.mark.parametrize("looks", [LOOKS, [5, 10, 20], [3, 7, 12], [2, 4, 30], list(range(2, 31))], ids=str)
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 8])
def test_each_level_lies_between_what_its_look_spends_and_alpha(looks: list[int], alpha: float) -> None:
    spent = np.diff([0, *looks]) * alpha / looks[-1]
    levels = nominal_levels(looks, alpha)
    assert levels[0] == pytest.approx(spent[0])
    assert all(own - 1e-12 <= level <= alpha for own, level in zip(spent, levels, strict=True))


@pytest.mark.parametrize("looks", [LOOKS, [5, 10, 20], [3, 7, 12], [2, 4, 30]], ids=str)
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_equal_arms_are_rejected_at_any_look_with_the_chance_alpha(looks: list[int], alpha: float) -> None:
    count = 20_000
    x = np.random.default_rng(0).normal(size=(count, looks[-1]))
    levels = nominal_levels(looks, alpha)
    rejected = [abs(t_values(x, n)) > stats.t.isf(p / 2, n - 1) for n, p in zip(looks, levels, strict=True)]
    spent = np.logical_or.accumulate(rejected).mean(1)
    noise = 3 * (alpha / count) ** 0.5
    assert np.all(spent <= alpha * np.array(looks) / looks[-1] + noise), "at no look is more than its share spent"
    assert spent[-1] >= alpha - noise or min(np.diff(looks)) < 4, "all of it is used"


def test_a_study_until_decided_errs_as_promised_and_finds_half_a_standard_deviation() -> None:
    """One claim; decided by the interval of its look: outside 0, or inside a margin of 0.6 sd."""
    rng, count, margin = np.random.default_rng(1), 20_000, 0.6
    levels = nominal_levels(LOOKS, 0.05)

    def decided(effect: float) -> tuple[float, float, float]:
        x = rng.normal(effect, 1, (count, LOOKS[-1]))
        still, different, same, seeds = np.ones(count, bool), 0, 0, np.zeros(count)
        for n, level in zip(LOOKS, levels, strict=True):
            seeds[still] = n
            half = stats.t.isf(level / 2, n - 1) * x[:, :n].std(1, ddof=1) / n**0.5
            mean = x[:, :n].mean(1)
            yes, no = still & (abs(mean) > half), still & (abs(mean) <= half) & (abs(mean) + half < margin)
            different, same, still = different + yes.sum(), same + no.sum(), still & ~yes & ~no
        return different / count, same / count, seeds.mean()

    false, same, seeds = decided(0.0)
    assert false <= 0.05
    assert same >= 0.94, "most equal arms are called the same"
    assert seeds <= LOOKS[-1]
    assert decided(0.5)[0] >= 0.9
    assert decided(margin)[1] <= 0.05, "the same, at the margin itself"


def test_an_anytime_valid_test_errs_at_most_5_percent_at_all_numbers_of_seeds_together() -> None:
    x = np.random.default_rng(2).normal(size=(4000, 150))
    rejected = [abs(t_values(x, n)) >= anytime_t(n, n - 1, 0.05) for n in range(2, 151)]
    assert np.logical_or.reduce(rejected).mean() <= 0.05
    far = np.random.default_rng(3).normal(1, 1, (1000, 40))
    assert (abs(t_values(far, 40)) >= anytime_t(40, 39, 0.05)).mean() > 0.95


@pytest.mark.parametrize(("n", "alpha"), [(5, 0.05), (10, 0.01), (80, 0.05 / 8)])
def test_the_anytime_valid_bound_is_where_its_p_is_alpha(n: int, alpha: float) -> None:
    t = anytime_t(n, n - 1, alpha)
    assert anytime_p(t, n, n - 1) == pytest.approx(alpha)
    v, evidence = n - 1, 1 / alpha
    formula = (1 + n) ** -0.5 * ((1 + t**2 / v) / (1 + t**2 / (v * (1 + n)))) ** ((v + 1) / 2)
    assert formula == pytest.approx(evidence)
    assert t > stats.t.isf(alpha / 2, v)


def test_seeds_added_by_hand_widen_every_interval_and_pool_no_spread() -> None:
    rng = np.random.default_rng(4)
    a, b = (pd.Series(rng.normal(size=12)) for _ in range(2))
    planned, by_hand = compare(a + 1, b, Scale()), compare(a + 1, b, Scale(), earlier=1)
    assert by_hand.test == "paired anytime-valid t test"
    assert by_hand.low < planned.low < planned.high < by_hand.high
    assert by_hand.p > planned.p
    assert (by_hand.p < 0.05) == (by_hand.low > 0)
    unpaired = [compare(a + 1, b.set_axis(range(50, 62)), Scale(), earlier=n) for n in (0, 1, 2)]
    assert unpaired[1].p == pytest.approx(min(1, 6 * unpaired[0].p))
    assert unpaired[2].low < unpaired[1].low < unpaired[0].low
    shares = (pd.Series([1.0] * 12), pd.Series([0.0] * 9 + [1.0] * 3))
    assert compare(*shares, Scale(), earlier=1).p == pytest.approx(6 * compare(*shares, Scale()).p)


def test_levels_of_unplanned_results_sum_to_alpha() -> None:
    assert tries(0) == 1
    assert sum(1 / tries(earlier) for earlier in range(1, 5000)) <= 0.5


def test_an_adjusted_p_is_below_alpha_where_p_is_below_its_level() -> None:
    level = Level(alpha=0.001, total=0.05, claims=8, look=1, looks=5)
    assert (level.adjusted(0.0009) < 0.05, level.adjusted(0.0011) < 0.05, level.adjusted(0.9)) == (True, False, 1.0)


TIES = Scale(resolution=1 / 100, margin=0.02)
WIDE = Scale(margin=0.6)


def coarse(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    a, b = (rng.binomial(100, 0.97, 20) / 100 for _ in range(2))
    return a, b


def diverging(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    a, b = (np.where(rng.random(20) < 0.15, -np.inf, rng.normal(size=20)) for _ in range(2))
    return a, b


def unequal(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=20), 5 * rng.normal(size=20)


def zero_or_one(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    a, b = ((rng.random(20) < 0.4) * 1.0 for _ in range(2))
    return a, b


def epochs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    a, b = (np.ceil(rng.lognormal(1.5, 0.5, 20)) for _ in range(2))
    return a, b


@pytest.mark.parametrize(
    ("draw", "scale"),
    [
        (epochs, Scale(True, EPOCH, np.log1p(0.1))),
        (coarse, TIES),
        (diverging, WIDE),
        (unequal, Scale()),
        (zero_or_one, Scale(margin=0.001)),
    ],
    ids=["epochs", "ties", "diverged seeds", "unequal spreads", "0 or 1"],
)
def test_equal_arms_get_at_most_5_percent_false_answers_over_all_looks(draw, scale) -> None:
    rng, wrong, looks = np.random.default_rng(5), 0, [5, 10, 20]
    levels = nominal_levels(looks, 0.05)
    for _ in range(300):
        a, b = draw(rng)
        for n, level in zip(looks, levels, strict=True):
            found = compare(pd.Series(a[:n]), pd.Series(b[:n]), scale, level)
            given, _ = answer(found, "higher", level, scale.margin)
            if given != "undecided":
                break
        wrong += given in ("yes", "no")
    assert wrong <= 24, f"{wrong} of 300; 5 % are 15, and more than 24 has a chance of 0.01"


@pytest.mark.parametrize("spreads", [[1, 1, 1, 1], [3, 1, 1, 1]], ids=["alike", "a baseline of three times the spread"])
def test_a_study_with_pooled_spreads_is_wrong_in_at_most_5_percent_over_all_looks(spreads: list[int]) -> None:
    rng, wrong, looks = np.random.default_rng(8), 0, [5, 10, 20]
    levels = nominal_levels(looks, 0.05 / 3)
    for _ in range(300):
        base, *arms = (pd.Series(spread * rng.normal(size=20)) for spread in spreads)
        ps = []
        for n, level in zip(looks, levels, strict=True):
            pool = pool_arms({str(i): column[:n] for i, column in enumerate([base, *arms])}).get("0")
            ps += [compare(arm[:n], base[:n], Scale(), level, pool).p / level for arm in arms]
        wrong += min(ps) < 1
    assert wrong <= 24, f"{wrong} of 300; 5 % are 15, and more than 24 has a chance of 0.01"


def test_a_level_is_of_one_claim_without_looks_unless_it_says_so() -> None:
    level = Level()
    assert (level.alpha, level.total, level.claims, level.look, level.looks, level.earlier) == (0.05, 0.05, 1, 0, 0, 0)


def test_four_seeds_between_two_looks_are_enough_to_compute_their_dependence() -> None:
    assert nominal_levels([5, 8], 0.05)[1] == pytest.approx(0.05 * 3 / 8)
    assert nominal_levels([5, 9], 0.05)[1] > 1.01 * 0.05 * 4 / 9


def test_few_seeds_after_many_have_a_level_too() -> None:
    first, second, third = nominal_levels([10, 200, 204], 0.05)
    assert first == pytest.approx(0.05 * 10 / 204)
    assert 0.05 * 4 / 204 < third <= 0.05
    assert 0.045 < second <= 0.05
