"""Naive forecasts: values of the window itself, by hand."""

from pathlib import Path

import numpy as np
import pytest
from commands import compose
from omegaconf import DictConfig

from dnnx.basics.errors import UserError
from dnnx.evaluation.naive import LastValues
from dnnx.train import train


def forecast(delay: int, period: int, periods: int | None) -> float:
    """The forecast for a window of ten hours 0, 1, ..., 9, beside a column of nines, with days of four hours."""
    x = np.stack([np.full(10, 9), np.arange(10)], 1).reshape(1, 20)
    return float(LastValues(10, 1, delay, period, periods).fit(x, None).predict(x)[0])


def test_each_forecast_by_hand() -> None:
    assert forecast(delay=3, period=0, periods=1) == 9
    assert forecast(delay=4, period=4, periods=1) == 9  # hour 13 - 4: a day before is the last value
    assert forecast(delay=3, period=4, periods=1) == 8  # hour 12 - 4
    assert forecast(delay=5, period=4, periods=1) == 6  # hour 14 - 8
    assert forecast(delay=3, period=4, periods=2) == (8 + 4) / 2
    assert forecast(delay=3, period=4, periods=None) == (8 + 4 + 0) / 3


def test_the_naive_error_by_hand() -> None:
    """Temperatures of three windows of two hours, each with the one an hour later: errors 1, 2 and 4."""
    x, y = np.array([[3.0, 4.0], [5.0, 5.0], [9.0, 8.0]]), np.array([5.0, 3.0, 4.0])
    forecasts = LastValues(steps=2, column=0).fit(x, y).predict(x)
    assert forecasts.tolist() == [4, 5, 8]
    assert np.abs(forecasts - y).mean() == (1 + 2 + 4) / 3


def test_a_mistake_is_one_line() -> None:
    with pytest.raises(UserError, match=r"baseline\.column=2: the target's place among 2 columns, from 0"):
        LastValues(10, 2).fit(np.zeros((1, 20)), None)
    with pytest.raises(UserError, match=r"baseline\.column=None: the target's place among 2 columns"):
        LastValues(10).fit(np.zeros((1, 20)), None)
    for period in (24, -1, 1.5):
        with pytest.raises(UserError, match=rf"baseline\.period={period}: a whole number from 0 to the 10 samples"):
            LastValues(10, 1, period=period).fit(np.zeros((1, 20)), None)  # type: ignore[arg-type]
    for periods in (0, -1):
        with pytest.raises(UserError, match=rf"baseline\.periods={periods}: a whole number of at least 1, or null"):
            LastValues(10, 1, periods=periods).fit(np.zeros((1, 20)), None)


def test_an_arm_without_training_is_scored_on_both_test_sets(tmp_path: Path) -> None:
    """Rows 0, 1, 4, 9, ... of a series, and a later one that rises by 3: their naive errors are 2 i + 1 and 3."""
    (tmp_path / "x.csv").write_text("\n".join(["time,x", *(f"{i},{i * i}" for i in range(40))]) + "\n")
    (tmp_path / "later.csv").write_text("\n".join(["time,x", *(f"{i},{3 * i}" for i in range(20))]) + "\n")
    data = [f"data.file={tmp_path / 'x.csv'}", f"data.later_file={tmp_path / 'later.csv'}", "data.target=x"]
    words = ["data=series", "task=regression", *data, "data.length=2", "data.batch_size=4", "seeds=2"]
    naive = train(compose(*words, "baseline=last_value", "data.standardize=false"), tmp_path / "naive")
    # the test rows 30 to 39: windows (30, 31 | 32) to (37, 38 | 39)
    assert naive["test/mae"] == pytest.approx([np.mean([2 * i + 1 for i in range(31, 39)])] * 2)
    assert naive["later/mae"] == pytest.approx([3, 3])
    net = train(compose(*words, "net=gru", "net.hidden=2", "trainer.max_epochs=1"), tmp_path / "net")
    assert {name for name in net if name.startswith("later/")} == {"later/loss", "later/mae", "later/rmse", "later/r2"}


def series(folder: Path, *typed: str) -> DictConfig:
    """The config of the last value of x, the second column of a series; x grows by 2 in each row."""
    (folder / "two.csv").write_text("\n".join(["time,other,x", *(f"{i},{i % 5},{2 * i}" for i in range(40))]) + "\n")
    words = [f"data.file={folder / 'two.csv'}", "data.target=x", "data.length=2", "data.batch_size=4", "seeds=1"]
    return compose("data=series", "task=regression", "baseline=last_value", *words, *typed)


@pytest.mark.parametrize("scaled", ["true", "false"])
def test_the_target_is_found_among_the_columns_and_has_its_unit(tmp_path: Path, scaled: str) -> None:
    found = train(series(tmp_path, f"data.standardize={scaled}"), tmp_path / "run")
    assert found["test/mae"] == pytest.approx([2], abs=1e-4)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("data.predict=change", r"^data\.predict=change: .*type data\.predict=level$"),
        ("data.order=reversed", r"^data\.order=reversed: .*type data\.order=forward$"),
        ("data.order=shuffled", r"^data\.order=shuffled: .*type data\.order=forward$"),
        ("baseline.column=0", r"^baseline\.column=0: the target's place among 2 columns, from 0, is 1$"),
    ],
)
def test_windows_that_would_give_wrong_forecasts_are_refused(tmp_path: Path, typed: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        train(series(tmp_path, typed), tmp_path / "run")
