"""Forecasts without training, as estimators: the last value, the same hour of the day before, a mean over days."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from dnnx.basics.errors import require


class LastValues(BaseEstimator):
    """Forecast the mean of earlier values in the window that lie whole periods before the target.

    Windows are [N, steps * columns], and the target comes `delay` samples after their last one. Standardized values get
    their unit back.

    Args:
        steps: samples in a window.
        column: place of the target among the columns, from 0; None: the data says it.
        delay: samples from the last one of the window to the target.
        period: samples in a period, 24 for hours of a day; 0: the last value, whatever the hour.
        periods: how many of these values are averaged, the newest ones; 1 is the seasonal naive forecast (Hyndman &
            Athanasopoulos 2021, section 5.2); null: all in the window.

    With a delay of one period, the newest value of the target's hour is the last value of the window.

    Example: `LastValues(steps=120, column=1, delay=24, period=24, periods=None)` is the mean at the target's hour over
    the five days of the window.
    """

    def __init__(self, steps: int, column: int | None = None, delay: int = 1, period: int = 0, periods: int | None = 1):
        self.steps, self.column, self.delay = steps, column, delay
        self.period, self.periods = period, periods

    def fit(self, x: Any, y: Any, data: Any = None) -> "LastValues":
        """Check the settings; nothing is learned. `data` says the target's place and how it was standardized.

        Raise UserError for a wrong setting, and for data whose windows are not in order or whose targets are changes.
        """
        told = f"a whole number from 0 to the {self.steps} samples of a window"
        require(type(self.period) is int and 0 <= self.period <= self.steps, "baseline.period", self.period, told)
        valid = self.periods is None or (type(self.periods) is int and self.periods >= 1)
        require(valid, "baseline.periods", self.periods, "a whole number of at least 1, or null for all in the window")
        for name, only in (("predict", "level"), ("order", "forward")):
            value = getattr(data, name, only)
            told = f"the baseline takes values from the window as they are; type data.{name}={only}"
            require(value == only, f"data.{name}", value, told)
        columns = x.shape[1] // self.steps
        place = getattr(data, "target_column", None)
        self.column_ = place if self.column is None else self.column
        valid = self.column_ is not None and 0 <= self.column_ < columns and place in (None, self.column_)
        told = f"the target's place among {columns} columns, from 0" + ("" if place is None else f", is {place}")
        require(valid, "baseline.column", self.column, told)
        scaling = getattr(data, "scaling", None)
        self.mean_, self.scale_ = (0.0, 1.0) if scaling is None else (float(v[self.column_]) for v in scaling)
        return self

    def predict(self, x: Any) -> np.ndarray:
        """Return the forecasts [N]."""
        values = np.asarray(x).reshape(len(x), self.steps, -1)[:, :, self.column_]
        return values[:, self.places()].mean(1) * self.scale_ + self.mean_

    def places(self) -> list[int]:
        """Return the samples of the window that are averaged, the newest first."""
        if self.period == 0:
            return [self.steps - 1]
        newest = self.steps - 1 + self.delay - self.period * -(-self.delay // self.period)
        found = list(range(newest, -1, -self.period))
        return found if self.periods is None else found[: self.periods]
