"""Forecasts without training, as estimators: the last value, the same hour of the day before, a mean over days."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from dnnx.basics.errors import require


class LastValues(BaseEstimator):
    """Forecast the mean of earlier values in the window that lie whole periods before the target.

    Windows are [N, steps * columns], not standardized, and the target comes `delay` samples after their last one.

    Args:
        steps: samples in a window.
        column: place of the target among the columns.
        delay: samples from the last one of the window to the target.
        period: samples in a period, 24 for hours of a day; 0: the last value, whatever the hour.
        periods: how many of these values are averaged, the newest ones; 1 is the seasonal naive forecast (Hyndman &
            Athanasopoulos 2021, section 5.2); null: all in the window.

    With a delay of one period, the newest value of the target's hour is the last value of the window.

    Example: `LastValues(steps=120, column=1, delay=24, period=24, periods=None)` is the mean at the target's hour over
    the five days of the window.
    """

    def __init__(self, steps: int, column: int, delay: int = 1, period: int = 0, periods: int | None = 1):
        self.steps, self.column, self.delay = steps, column, delay
        self.period, self.periods = period, periods

    def fit(self, x: Any, y: Any) -> "LastValues":
        """Check the sizes; nothing is learned."""
        columns = x.shape[1] // self.steps
        told = f"the target's place among {columns} columns, from 0"
        require(0 <= self.column < columns, "baseline.column", self.column, told)
        told = f"at most the {self.steps} samples of a window"
        require(self.period <= self.steps, "baseline.period", self.period, told)
        return self

    def predict(self, x: Any) -> np.ndarray:
        """Return the forecasts [N]."""
        values = np.asarray(x).reshape(len(x), self.steps, -1)[:, :, self.column]
        return values[:, self.places()].mean(1)

    def places(self) -> list[int]:
        """Return the samples of the window that are averaged, the newest first."""
        if self.period == 0:
            return [self.steps - 1]
        newest = self.steps - 1 + self.delay - self.period * -(-self.delay // self.period)
        found = list(range(newest, -1, -self.period))
        return found if self.periods is None else found[: self.periods]
