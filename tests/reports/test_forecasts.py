"""The interval of two forecasts over seeds and windows: it knows that neighbouring windows have similar errors."""

from pathlib import Path

import numpy as np
import pytest

from dnnx.reports import forecasts
from dnnx.runs.run import Run

NUM, SEEDS = 900, [0, 1, 2, 3]


def run(name: str, errors: np.ndarray) -> Run:
    """An arm with these errors [R, N] of targets 0."""
    seeds = SEEDS[: len(errors)]
    results = {"seeds": seeds, "test/mae": np.abs(errors).mean(1).tolist()}
    outputs = errors[..., None].astype(np.float32)
    predictions: dict[str, np.ndarray] = {"outputs": outputs, "targets": np.zeros(errors.shape[1])}
    return Run(name, Path(name), results=results, predictions=predictions)


def noise(repeats: int, seed: int = 0) -> np.ndarray:
    """Errors around 2 that stay the same for `repeats` windows."""
    draw = np.random.default_rng(seed)
    return 2 + np.repeat(draw.normal(size=(len(SEEDS), NUM // repeats)), repeats, 1) / 4


def test_a_constant_difference_has_no_width() -> None:
    errors = noise(1)
    found = forecasts.interval(run("a", errors - 0.5), run("b", errors), 0.95)
    assert found == pytest.approx((-0.5, -0.5, 30))


def test_similar_neighbours_widen_the_interval() -> None:
    def width(repeats: int) -> float:
        found = forecasts.interval(run("a", noise(repeats, 1)), run("b", noise(repeats, 2)), 0.95)
        assert found is not None
        return found[1] - found[0]

    assert width(15) > 2 * width(1)


@pytest.mark.parametrize("of_seeds", [0, 0.1])
def test_it_holds_the_true_difference_as_often_as_it_says(of_seeds: float) -> None:
    """190 of 200 pairs with true difference 0 are the aim; fewer than 180 have a probability of 0.002."""
    draw = np.random.default_rng(0)
    covered = 0
    for i in range(200):
        more, less = (noise(5, 2 * i + j) + of_seeds * draw.normal(size=(len(SEEDS), 1)) for j in (0, 1))
        low, high, _ = forecasts.interval(run("a", more), run("b", less), 0.95) or (1, 0, 0)
        covered += low <= 0 <= high
    assert covered >= 180


def test_nothing_is_said_of_runs_without_forecasts_or_of_other_windows() -> None:
    a, b = run("a", noise(1)), run("b", noise(1)[:, :-1])
    assert forecasts.interval(a, b, 0.95) is None
    b.predictions = {}
    assert forecasts.interval(a, b, 0.95) is None
