"""The outputs of networks over the plane of two features, for a figure of their decision boundaries."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

GRID = 60  # points along each axis
MAX_SHOWN = 9  # networks
MAX_POINTS = 500  # test examples
MARGIN = 0.1  # of the range of the training examples


@torch.no_grad()
def boundary(module: Any, data: Any, score: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """Return the scores of the first networks on a grid, [S, GRID, GRID], its ends [2, 2], and test examples.

    `score` turns outputs [S, N, ...] into numbers [S, N] that are above 0 for class 1. Return {} for data of another
    number of features or classes, and for words, tokens and streamed data.
    """
    x, _ = data.splits.get("train", (None, None))
    is_plane = isinstance(x, Tensor) and x.is_floating_point()
    if not is_plane or tuple(data.in_shape) != (2,) or data.num_classes != 2:
        return {}
    low, high = x.amin(0), x.amax(0)
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    along = [torch.linspace(float(a), float(b), GRID, device=x.device) for a, b in zip(low, high, strict=True)]
    points = torch.cartesian_prod(*along)  # the second feature varies fastest
    scores = score(module(points))[:MAX_SHOWN].unflatten(1, (GRID, GRID)).transpose(1, 2)
    test_x, test_y = (part[:MAX_POINTS] for part in data.splits["test"])
    return {
        "boundary": scores.contiguous(),  # [network, second feature, first feature]
        "boundary_ends": torch.stack([low, high]),
        "boundary_x": test_x,
        "boundary_y": test_y,
    }
