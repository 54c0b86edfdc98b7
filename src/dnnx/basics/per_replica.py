"""Tells whether a value may have an entry for each replica, so that it must be known before a replica can leave."""

from typing import Any

import numpy as np
from torch import Tensor


def holds(value: Any, num: int) -> bool:
    """Return whether a value, or one inside it, may have an entry for each of `num` replicas."""
    if isinstance(value, Tensor | np.ndarray):
        return num in value.shape
    if isinstance(value, dict):
        return any(holds(inside, num) for inside in value.values())
    if isinstance(value, list | tuple):
        numbers = len(value) == num and all(isinstance(inside, int | float) for inside in value)
        return numbers or any(holds(inside, num) for inside in value)
    return False
