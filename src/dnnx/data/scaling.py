"""Standardization by mean and deviation of the training examples."""

import torch
from torch import Tensor

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
