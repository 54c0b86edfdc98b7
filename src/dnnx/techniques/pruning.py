"""Magnitude pruning, for each replica by itself: the smallest weights become zero and stay zero."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dnnx.basics.errors import is_number, require

UNPRUNED = dict.fromkeys(("sparsity", "prune_below", "prune_from", "prune_until"))  # the keys of module, and no pruning


class Pruning:
    """Prunes at the start of epoch `until`: a share `sparsity` of each layer's weights, the smallest, or all up to
    `below` (Han et al. 2015). From `start`, where that is an earlier epoch, the share grows with every epoch, fast at
    first (Zhu & Gupta 2017); else it is pruned at once. What is left trains on.

    Each layer loses the same share, as in Zhu & Gupta: their weights start at different scales, and one threshold for
    all takes the lowest layer whole. Masks are found anew at the start of every epoch; what was pruned is zero and
    so the smallest, so they only grow, and a resumed run, which has none, finds the same. A weight that is zero for
    another reason stays zero too.
    """

    def __init__(self, sparsity: float | None, below: float | None, start: int | None, until: int | None):
        share = sparsity is None or (is_number(sparsity) and 0 < sparsity < 1)
        require(share, "module.sparsity", sparsity, "null, or a share in (0, 1), for example module.sparsity=0.9")
        valid = below is None or (is_number(below) and 0 < below < math.inf)
        require(valid, "module.prune_below", below, "null, or a number above 0, for example module.prune_below=1e-3")
        require(
            sparsity is None or below is None, "module.prune_below", below,
            f"module.sparsity={sparsity} says already what is pruned; set one of the two to null",
        )  # fmt: skip
        require(
            type(until) is int and until >= 1, "module.prune_until", until,
            "the epoch at whose start all is pruned, for example module.prune_until=10",
        )  # fmt: skip
        require(
            start is None or (below is None and type(start) is int and 1 <= start <= int(until or 0)),
            "module.prune_from", start, "null to prune at once" if below else
            f"null to prune at once, or an epoch from 1 to module.prune_until={until}",
        )  # fmt: skip
        self.sparsity, self.below, self.until = sparsity, below, int(until or 0)
        self.start = self.until if start is None else start
        self.masks: list[Tensor] = []

    def share(self, epoch: int) -> float:
        """What is pruned at the start of this epoch t, from t0 to t0 + n: s (1 - (1 - (t - t0) / n)^3)."""
        left = (self.until - epoch) / (self.until - self.start) if epoch < self.until else 0.0
        return (self.sparsity or 0.0) * (1 - left**3)

    @torch.no_grad()
    def begin(self, epoch: int, weights: Sequence[Tensor], num_replicas: int) -> None:
        """Prunes these weights, [R, ...] or of one replica without R, and holds them so until the next epoch begins."""
        if epoch >= self.start:
            share = self.share(epoch)
            self.masks = [larger(w.view(num_replicas, -1).abs(), share, self.below).view_as(w).to(w) for w in weights]
            self.hold(weights)

    @torch.no_grad()
    def hold(self, tensors: Sequence[Tensor]) -> None:
        """Sets what is pruned to zero, in the weights or in as many tensors of their shapes."""
        if self.masks:
            torch._foreach_mul_(list(tensors), self.masks)


def make_pruning(
    sparsity: float | None, prune_below: float | None, prune_from: int | None, prune_until: int | None
) -> Pruning | None:
    """None where nothing is to be pruned."""
    if sparsity is not None or prune_below is not None:
        return Pruning(sparsity, prune_below, prune_from, prune_until)
    for name, epoch in (("prune_from", prune_from), ("prune_until", prune_until)):
        require(epoch is None, f"module.{name}", epoch, "nothing is pruned; type for example module.sparsity=0.9 too")
    return None


def larger(sizes: Tensor, share: float, below: float | None) -> Tensor:
    """Which of these magnitudes [R, N] are above `below`, or else above the smallest `share` of their row."""
    count = round(share * sizes.shape[1])
    most = sizes.kthvalue(count, keepdim=True).values if count else torch.zeros_like(sizes[:, :1])
    return sizes > (most if below is None else below)


def zero_share(weights: Sequence[Tensor], num_replicas: int) -> Tensor:
    """Which share of each replica's weights is exactly zero, [R]."""
    zeros = torch.stack([(w.view(num_replicas, -1) == 0).sum(1) for w in weights]).sum(0)
    return zeros / sum(w.numel() for w in weights) * num_replicas
