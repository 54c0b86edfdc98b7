"""Standardization by mean and deviation of the training examples."""

import numpy as np
import torch
from torch import Tensor

FACTOR = 20  # between large and small deviations of features, above which many networks learn badly
CHUNK = 64  # examples in float64 at a time; they fit into a processor's cache


def standardize(splits: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Standardize each feature of every split [N, ...] in place; return mean and scale.

    Both come from the training examples. A feature that is constant there is only shifted. A tensor that is two splits
    is scaled once.
    """
    train = splits["train"]
    mean = sum(x.double().sum(0) for x in train.split(CHUNK)) / len(train)
    variance = sum((x - mean).square_().sum(0) for x in train.split(CHUNK)) / len(train)
    scaling = mean.float(), torch.where(variance > 0, variance.sqrt(), 1).float()
    for x in {id(x): x for x in splits.values()}.values():
        x.sub_(scaling[0]).div_(scaling[1])
    return scaling


def mean_and_scale(values: np.ndarray, ddof: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of each column of values [N, F], NaN left out; a constant column has the scale 1.

    The deviation of equal float64 values is a rounding error, which no value may be divided by.

    >>> mean_and_scale(np.array([[0.1, 1.0], [0.1, 3.0], [0.1, np.nan]]))
    (array([0.1, 2. ]), array([1., 1.]))
    """
    low, high = np.nanmin(values, 0), np.nanmax(values, 0)
    mean, scale = np.nanmean(values, 0), np.nanstd(values, 0, ddof=ddof)
    return np.where(low == high, low, mean), np.where((low < high) & (scale > 0), scale, 1.0)


def unequal_scales(x: Tensor) -> str:
    """Return a warning if the features of x [N, F] have very different deviations, else an empty text."""
    deviations = x.std(0) if x.dim() == 2 and x.is_floating_point() and len(x) > 1 else x.new_zeros(0)
    spread = deviations[deviations > 0]
    if len(spread) == 0 or spread.quantile(0.9) <= FACTOR * spread.quantile(0.1):
        return ""
    ends = f"{float(spread.min()):.2g} to {float(spread.max()):.2g}"
    return f"the deviations of the features range from {ends}; data.standardize=true makes them equal"
