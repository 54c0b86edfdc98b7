"""Standardization by mean and deviation of the training examples."""

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


def unequal_scales(x: Tensor) -> str:
    """Return a warning if the features of x [N, F] have very different deviations, else an empty text."""
    deviations = x.std(0) if x.dim() == 2 and x.is_floating_point() and len(x) > 1 else x.new_zeros(0)
    spread = deviations[deviations > 0]
    if len(spread) == 0 or spread.quantile(0.9) <= FACTOR * spread.quantile(0.1):
        return ""
    ends = f"{float(spread.min()):.2g} to {float(spread.max()):.2g}"
    return f"the deviations of the features range from {ends}; data.standardize=true makes them equal"
