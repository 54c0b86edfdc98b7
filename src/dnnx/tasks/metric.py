"""Metric: a measure of a network's quality, with its unit and direction."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A function of a whole split, its unit, and its better direction.

    `function(outputs [N, ...], y [N, ...])` returns a number or a list of numbers. A task may omit it and return the
    value from `Task.measure`. The unit "%" marks a share in [0, 1] that is shown in percent.

    Example: `Metric(mean_absolute_error, unit="°C", better="lower")`
    """

    function: Callable[[Any, Any], Any] | None = None
    unit: str = ""
    better: str | None = None  # "higher", "lower" or None: unknown
    note: str = ""  # a sentence for the caption of a table that shows this metric

    def about(self) -> dict[str, str | None]:
        """Return the entry of results.json that travels with every value of this metric."""
        about = {"unit": self.unit, "better": self.better}
        return about | {"note": self.note} if self.note else about


SHARE = Metric(unit="%", better="higher")
