"""The objective of a tuning: any metric of the task, and the direction in which it is better."""

from collections.abc import Mapping
from typing import Any

from dnnx.basics.errors import choose, require
from dnnx.runs.about import is_loss

DIRECTIONS = {"higher": "maximize", "lower": "minimize"}


def settle(objective: str | None, direction: str | None, metrics: Mapping[str, Any]) -> tuple[str, str]:
    """Return objective and direction of a tuning from the typed ones and the task's metrics.

    A null objective is the task's first metric that is no loss; a null direction is the better one. Raise UserError for
    a metric that the task lacks, for the worse direction, and if no direction is known.

        >>> from dnnx.tasks.classification import Classification
        >>> settle(None, None, Classification.metrics)
        ('accuracy', 'maximize')
    """
    numbers = [name for name, metric in metrics.items() if metric.better or name == objective]
    if objective is None:
        objective = min(numbers, key=is_loss)
    choose("objective", objective, dict.fromkeys(sorted(numbers, key=is_loss)))
    better = metrics[objective].better
    known = DIRECTIONS.get(better or "", direction)
    told = f"objective={objective} has no direction; type direction=maximize or direction=minimize"
    require(known is not None, "direction", direction, told)
    require(direction in (None, known), "direction", direction, f"not with objective={objective}: {better} is better")
    return objective, str(known)
