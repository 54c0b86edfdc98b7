"""Goals: how many seeds reach a number and when, decided by exact tests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dnnx.reports.goals import parse_goal
from dnnx.reports.verdicts import decide
from dnnx.runs.run import COLUMNS, Run, Study

LOSSES = {"slow": [0.9, 0.5, 0.3], "fast": [0.2, 0.1, 0.05]}


def run(name: str, curves: list[list[float]], diverged: int | None = None) -> Run:
    """Return a run with one validation curve for each seed; the test loss is the least of it."""
    rows = [(e, "val", "loss", seed, v) for seed, curve in enumerate(curves) for e, v in enumerate(curve, 1)]
    results = {
        "seeds": list(range(len(curves))),
        "test/loss": [min(curve) for curve in curves],
        "epoch/diverged": [1 if seed == diverged else None for seed in range(len(curves))],
    }
    return Run(name, Path(name), metrics=pd.DataFrame(rows, columns=COLUMNS), results=results)


def test_a_goal_is_a_share_and_a_first_epoch() -> None:
    made = run("a", [LOSSES["slow"], LOSSES["fast"]])
    reached, first = parse_goal("reached/test/loss<0.25"), parse_goal("epoch/val/loss<0.15")
    assert reached
    assert first
    assert reached.of(made).tolist() == [0, 1]
    assert first.of(made).tolist() == [np.inf, 2]
    assert (reached.about.unit, reached.about.better) == ("%", "higher")
    assert (first.about.words, first.about.better) == ("first epoch with a val loss below 0.15", "lower")


def test_above_is_a_goal_too_and_other_metrics_are_none() -> None:
    goal = parse_goal("reached/test/accuracy>0.9")
    assert goal
    assert (goal.sign, goal.bound) == (">", 0.9)
    assert parse_goal("test/loss") is None
    assert parse_goal("epoch/best") is None
    assert parse_goal("epoch/val/loss<1e-3").bound == 1e-3  # type: ignore[union-attr]


def test_a_seed_that_diverged_has_not_reached_it() -> None:
    made = run("a", [LOSSES["fast"], LOSSES["fast"]], diverged=1)
    assert parse_goal("reached/test/loss<0.25").of(made).tolist() == [1, 0]  # type: ignore[union-attr]


@pytest.mark.parametrize(("num", "answer"), [(20, "yes"), (3, "undecided")])
def test_shares_and_epochs_are_compared_by_exact_tests(num: int, answer: str) -> None:
    curves = {name: [[(1 + seed / 100) * x for x in losses] for seed in range(num)] for name, losses in LOSSES.items()}
    slow, fast = (run(name, curves[name]) for name in ("slow", "fast"))
    asked = [
        {"ask": "More often?", "metric": "reached/test/loss<0.25", "arm": "fast", "than": "slow", "expect": "higher"},
        {"ask": "Earlier?", "metric": "epoch/val/loss<0.15", "arm": "fast", "than": "slow", "expect": "lower"},
    ]
    verdicts, _ = decide(Study("s", "", "slow", [slow, fast], asked, []))
    assert [verdict.answer for verdict in verdicts] == [answer, answer]
    assert [verdict.comparison.test for verdict in verdicts] == ["exact McNemar test", "exact signed-rank test"]


def test_one_seed_that_never_arrives_makes_it_a_test_of_ranks() -> None:
    """A t test of the others would say nothing: the missing seed is on the side of the slower arm's answer."""
    fast = run("fast", [LOSSES["fast"]] * 19 + [LOSSES["slow"]])
    slow = run("slow", [[0.9, 0.2, 0.1]] * 20)
    asked = {"ask": "Earlier?", "metric": "epoch/val/loss<0.3", "arm": "fast", "than": "slow", "expect": "lower"}
    [verdict], _ = decide(Study("s", "", "slow", [slow, fast], [asked], []))
    assert (verdict.answer, verdict.comparison.test) == ("yes", "exact signed-rank test")


@pytest.mark.parametrize("ends", [[float("nan")], [0.2, 0.1, 5.0, float("nan")]])
def test_a_diverged_seed_never_arrives_whether_it_diverged_before_its_goal_or_after(ends: list[float]) -> None:
    """Half of the fast arm is lost, so its other half may not say yes."""
    slow, fast = run("slow", [LOSSES["slow"]] * 12), run("fast", [LOSSES["fast"]] * 6 + [ends] * 6)
    fast.results["epoch/diverged"] = [None] * 6 + [1 if len(ends) == 1 else 4] * 6
    goal = parse_goal("epoch/val/loss<0.35")
    assert goal is not None
    assert goal.of(fast).tolist() == [1] * 6 + [np.inf] * 6
    spec = {"ask": "?", "metric": "epoch/val/loss<0.35", "arm": "fast", "than": "slow", "expect": "lower"}
    [verdict], _ = decide(Study("s", "?", "slow", [slow, fast], [spec], []))
    assert verdict.answer == "undecided"
    assert verdict.comparison.counts == (6, 6, 0)
