"""Intervals over seeds and images cover the accuracy on other images; ensembles are compared image by image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_runs import write_study
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar

from dnnx.reports.images import Ensembles, correct, difference, ensembles, interval
from dnnx.reports.report import build
from dnnx.reports.sections import answer, arms
from dnnx.reports.verdicts import decide
from dnnx.runs.run import Run, Study


def run(name: str, right: np.ndarray, labels: np.ndarray, seeds: list[int] | None = None) -> Run:
    """A run of two classes that gets the given images right, [R, N]."""
    chosen = np.where(right, labels, 1 - labels)
    p = np.stack([1 - chosen, chosen], -1) * 0.8 + 0.1
    results = {"seeds": seeds or list(range(len(right))), "test/accuracy": right.mean(1).tolist()}
    data = {"sizes": {"test": len(labels)}}
    return Run(name, Path(name), results=results, data=data, predictions={"labels": labels, "probabilities": p})


def drawn(rng: np.random.Generator, seeds: int, images: int) -> np.ndarray:
    """Right or wrong by a difficulty of the image, a luck of the seed, and chance."""
    score = rng.normal(1.2, 1, images) + rng.normal(0, 0.2, (seeds, 1)) + rng.normal(0, 0.7, (seeds, images))
    return score > 0


@pytest.mark.parametrize(("seeds", "images"), [(5, 400), (5, 1000), (20, 400)])
def test_95_percent_intervals_over_seeds_and_images_cover_in_93_to_97_percent(seeds: int, images: int) -> None:
    rng = np.random.default_rng(seeds)
    truth = norm.cdf(1.2 / (1 + 0.2**2 + 0.7**2) ** 0.5)  # that of all images and seeds
    covered = 0
    for _ in range(800):
        low, high = interval(drawn(rng, seeds, images).astype(float), 0.95)
        covered += low <= truth <= high
    assert 0.93 <= covered / 800 <= 0.97


def test_an_interval_over_seeds_alone_misses_the_accuracy_on_other_images() -> None:
    rng = np.random.default_rng(0)
    values = drawn(rng, 60, 300).astype(float)
    low, high = interval(values, 0.95)
    over_seeds = 2 * 2.001 * values.mean(1).std(ddof=1) / 60**0.5
    assert high - low > 1.5 * over_seeds


def test_one_seed_or_equal_values_have_no_spread() -> None:
    assert np.isnan(interval(np.ones((1, 9)), 0.95)[0])
    assert np.isnan(interval(np.ones((4, 9)), 0.95)).all(), "others would not all be right too"
    assert np.isnan(interval(np.full((3, 9), 0.1), 0.95)[0]), "rounding is no spread"


def test_predictions_of_another_accuracy_are_not_used() -> None:
    labels = np.array([0, 1, 0, 1])
    made = run("a", np.array([[True, True, False, True], [True, True, True, True]]), labels)
    assert correct(made) is not None
    made.results["test/accuracy"] = [0.5, 0.5]
    assert correct(made) is None
    assert correct(Run("b", Path("b"))) is None


def test_a_threshold_of_each_seed_decides_what_is_right() -> None:
    p = np.array([[0.2, 0.6, 0.7], [0.2, 0.6, 0.7]])
    made = Run("a", Path("a"), predictions={"labels": np.array([0, 0, 1]), "probabilities": np.stack([1 - p, p], -1)})
    made.results = {"seeds": [3, 4], "test/accuracy": [1.0, 2 / 3], "test/threshold": [0.65, 0.5]}
    right = correct(made)
    assert right is not None
    assert right.tolist() == [[1, 1, 1], [1, 0, 1]]


@pytest.mark.parametrize(("in_shape", "items"), [([1, 8, 8], "images"), ([13], "examples"), (None, "examples")])
def test_ensembles_are_compared_image_by_image_beside_the_verdict_of_the_seeds(in_shape: Any, items: str) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 500)
    a, b = (run(x, rng.random((5, 500)) < share, labels) for x, share in (("a", 0.7), ("b", 0.8)))
    a.data = b.data = {"in_shape": in_shape}
    found = ensembles(b, a)
    assert isinstance(found, Ensembles)
    expected = mcnemar([[0, found.only_arm], [found.only_than, 0]], exact=True).pvalue
    assert found.p == pytest.approx(expected)
    (verdict,) = decide(Study("s", "", "a", [a, b], [], []))[0]
    assert f"over seeds and {items} +" in verdict.sentence
    assert f"only b is right on {found.only_arm} {items} and only a on {found.only_than}" in verdict.sentence


def test_arms_are_compared_on_the_seeds_and_labels_that_both_have() -> None:
    rng = np.random.default_rng(0)
    labels, right = rng.integers(0, 2, 50), rng.random((4, 50)) < 0.7
    values = difference(run("a", right, labels), run("b", right[1:3], labels, [1, 2]))
    assert values is not None
    assert values.shape == (2, 50)
    assert not values.any()
    assert difference(run("a", right, labels), run("b", right, labels[::-1])) is None


def test_with_few_seeds_the_interval_over_seeds_and_images_may_be_the_narrower_one_and_the_report_says_so() -> None:
    """Three seeds hardly know their spread, so t is 4.3 for them; thousands of images know theirs."""
    narrower = []
    for draw in range(50):
        values = drawn(np.random.default_rng(draw), 3, 2000).astype(float)
        low, high = interval(values, 0.95)
        over_seeds = 2 * 4.303 * values.mean(1).std(ddof=1) / 3**0.5
        narrower.append(high - low < over_seeds)
    assert np.mean(narrower) > 0.2
    assert "may be narrower where seeds are few" in arms.BOTH
    assert "It may be narrower than that over seeds" in answer.METHOD


def test_a_report_on_rows_of_a_table_has_no_images(tmp_path: Path) -> None:
    for in_shape, items in (([1, 8, 8], "images"), ([13], "examples")):
        folder = write_study(tmp_path / items, {name: {"data": {"in_shape": in_shape}} for name in ("a", "b")})
        text = build([folder], folder).md.read_text()
        assert f"Test {items} by true and predicted class" in text
        assert f"over seeds and {items} is for other {items} of their kind" in text
