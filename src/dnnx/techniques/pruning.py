"""Pruning: the smallest weights of each replica, or its smallest units, become zero and stay zero."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.at_work import must
from dnnx.basics.errors import is_number, require
from dnnx.techniques.base import Technique
from dnnx.techniques.groups import of_units

KEY = "techniques.pruning"


class Pruning(Technique):
    """Set the smallest weights to zero: a share `sparsity` of each weight tensor, or all up to `below` (Han et al.
    2015).

    Pruning happens at the start of epoch `until_epoch`. With an earlier `from_epoch` the share grows from there with
    every epoch, fast at first (Zhu & Gupta 2017). The remaining weights are trained further. Only weights with two or
    more axes are pruned. The best weights come from epoch `until_epoch` or a later one.

    Each weight tensor loses the same share, as in Zhu & Gupta. Tensors start at different scales, and one threshold for
    all would prune the lowest layer completely. Masks are computed at the start of every epoch. Pruned elements are
    zero and thus the smallest, so masks only grow, and a resumed run computes the same masks. An element that is zero
    for another reason also stays zero.

    With `units` whole hidden units and filters are pruned: all weights into those whose weights have the smallest mean
    magnitude (Li et al. 2017). A pruned unit returns a constant, so it could be removed. The last layer with weights is
    left whole, because its units are the outputs.
    """

    mergeable = True
    order = 10
    first_epoch_key = "until_epoch"
    skipped_in_search = True

    def __init__(
        self,
        sparsity: float | None = None,
        below: float | None = None,
        from_epoch: int | None = None,
        until_epoch: int | None = None,
        units: bool = False,
    ):
        share = sparsity is None or (is_number(sparsity) and 0 < sparsity < 1)
        require(share, f"{KEY}.sparsity", sparsity, f"null, or a share in (0, 1), for example {KEY}.sparsity=0.9")
        valid = below is None or (is_number(below) and 0 < below < math.inf)
        require(valid, f"{KEY}.below", below, f"null, or a number above 0, for example {KEY}.below=1e-3")
        told = f"nothing is pruned; type for example {KEY}.sparsity=0.9"
        require(sparsity is not None or below is not None, f"{KEY}.sparsity", sparsity, told)
        told = f"{KEY}.sparsity={sparsity} is set too; set one of the two to null"
        require(sparsity is None or below is None, f"{KEY}.below", below, told)
        require(
            type(until_epoch) is int and until_epoch >= 1, f"{KEY}.until_epoch", until_epoch,
            f"the epoch at whose start pruning is complete, for example {KEY}.until_epoch=10",
        )  # fmt: skip
        until = int(until_epoch or 0)
        require(
            from_epoch is None or (below is None and type(from_epoch) is int and 1 <= from_epoch <= until),
            f"{KEY}.from_epoch", from_epoch, "null to prune at once" if below else
            f"null to prune at once, or an epoch from 1 to {KEY}.until_epoch={until}",
        )  # fmt: skip
        require(isinstance(units, bool), f"{KEY}.units", units, "true to prune whole units and filters, else false")
        self.units = units
        self.sparsity, self.below, self.until, self.first_epoch = sparsity, below, until, until
        self.start_epoch = until if from_epoch is None else from_epoch
        self.masks: list[Tensor] = []

    def attach(self, module: Any) -> None:
        super().attach(module)
        told = f"the net has no layer below its outputs; type {KEY}.units=false"
        require(not self.units or len(module.weight_names) > 1, f"{KEY}.units", self.units, told)

    @property
    def weights(self) -> list[Tensor]:
        """The weights that are pruned."""
        return self.module.weights[: -1 if self.units else None]

    def before_epoch(self, epoch: int) -> None:
        self.begin(epoch, self.weights, self.module.replicas.num_replicas)

    def after_backward(self) -> None:
        self.hold([w.grad for w in self.weights if w.grad is not None])

    def after_step(self) -> None:
        self.hold(self.weights)

    def metrics(self) -> dict[str, Tensor]:
        return {"train/sparsity": zero_share(self.module.weights, self.module.replicas.num_replicas)}

    def keep(self, places: Sequence[int]) -> None:
        self.masks = [mask[list(places)] for mask in self.masks]

    def check_after(self, run: Any) -> None:
        """Check that pruned weights stay zero, have the requested share of every weight tensor, and are tested so.

        How many weights a threshold prunes, also none, is a result. Before pruning begins, zeros come and go by chance.
        """
        shares, until = run.recorded["train/sparsity"], self.until
        must(len(shares) > 0, "no share of zeros was recorded")
        gone = dict(zip(run.metrics["seeds"], run.metrics["epoch/diverged"], strict=True))
        for (seed, epoch), share in shares.items():
            before = shares.get((seed, epoch - 1), 0.0) if epoch > self.start_epoch else 0.0
            must(share >= before or gone[seed] == epoch, f"seed {seed} had {before:.2%} zeros, then {share:.2%}")
        for best in run.metrics["epoch/best"]:
            must(best is None or best >= until, f"the best weights are of epoch {best}, before all was pruned")
        for name in run.module.weight_names[: len(self.weights)] if self.sparsity else ():
            weights = run.end[name].flatten(1)
            empty = (run.end[name].flatten(2) == 0).all(2) if self.units else weights == 0
            least = round(self.sparsity * empty.shape[1])
            told = f"{name} has fewer than {least} zero {'units' if self.units else 'weights'}"
            must((empty.sum(1) >= least)[weights.isfinite().all(1)].all(), told)

    def share(self, epoch: int) -> float:
        """Return the share pruned at the start of an epoch t in t0 to t0 + n: s (1 - (1 - (t - t0) / n)^3)."""
        left = (self.until - epoch) / (self.until - self.start_epoch) if epoch < self.until else 0.0
        return (self.sparsity or 0.0) * (1 - left**3)

    @torch.no_grad()
    def begin(self, epoch: int, weights: Sequence[Tensor], num_replicas: int) -> None:
        """Prune these weights, [R, ...] or [...] for one replica, until the next epoch begins."""
        if epoch >= self.start_epoch:
            share = self.share(epoch)
            self.masks = [self._mask(w, num_replicas, share) for w in weights]
            self.hold(weights)

    def _mask(self, w: Tensor, num_replicas: int, share: float) -> Tensor:
        """Return 0 for the elements of a weight that are pruned, and 1 for the others."""
        if not self.units:
            return larger(w.view(num_replicas, -1).abs(), share, self.below).view_as(w).to(w)
        stacked = self.module.replicas.stacked
        kept = larger(of_units(w, stacked).abs().mean(2), share, self.below)  # [R, units]
        axes = 2 if stacked else 1
        return torch.ones_like(w) * kept.view(*w.shape[:axes], *[1] * (w.dim() - axes))

    @torch.no_grad()
    def hold(self, tensors: Sequence[Tensor]) -> None:
        """Set pruned elements to zero in the weights, or in other tensors of the same shapes."""
        if self.masks:
            torch._foreach_mul_(list(tensors), self.masks)


def larger(sizes: Tensor, share: float, below: float | None) -> Tensor:
    """Return a mask of the magnitudes [R, N] above `below`, or else above the smallest `share` of their row."""
    if below is not None:
        return sizes > below
    count = round(share * sizes.shape[1])  # kthvalue would do, but it is not deterministic on a GPU
    return sizes > (sizes.sort(1).values[:, count - 1 : count] if count else 0.0)


def zero_share(weights: Sequence[Tensor], num_replicas: int) -> Tensor:
    """Return the share of each replica's weights that is exactly zero, [R]."""
    zeros = torch.stack([(w.view(num_replicas, -1) == 0).sum(1) for w in weights]).sum(0)
    return zeros / (sum(w.numel() for w in weights) // num_replicas)
