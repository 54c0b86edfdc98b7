"""Regularizers of weights, for each replica by itself: penalties (L1, L2) and a bound on every unit's norm."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def linear_weights(net: nn.Module) -> list[Tensor]:
    """The trained weights of all linear layers, each [..., out, in]: no biases, nothing of norm layers."""
    return [layer.weight for layer in net.modules() if isinstance(layer, nn.Linear) and layer.weight.requires_grad]


def penalty(weights: Iterable[Tensor], num_replicas: int, l1: float, l2: float) -> Tensor:
    """l1 sum |w| + l2 sum w^2 of each replica, [R]; of l2 the gradient is 2 l2 w.

    L1 as in the lasso, Tibshirani 1996; L2 as in ridge regression, for nets Krogh & Hertz 1991.
    """
    flat = [w.view(num_replicas, -1) for w in weights]
    terms = [l1 * w.abs().sum(1) for w in flat if l1] + [l2 * w.square().sum(1) for w in flat if l2]
    return torch.stack(terms).sum(0)


@torch.no_grad()
def bound_norms(weights: Iterable[Tensor], most: float) -> None:
    """Scales the incoming weights w of every unit by min(1, most / ||w||), Srivastava et al. 2014."""
    for w in weights:
        w.mul_((most / torch.linalg.vector_norm(w, dim=-1, keepdim=True)).clamp_(max=1))
