"""Clipping: bound gradients by value and by norm, for each replica on its own."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.at_work import must
from dnnx.basics.console import warn
from dnnx.basics.errors import is_number, require
from dnnx.techniques.base import Technique


class Clipping(Technique):
    """Clip each element of the gradients to [-value, value], then scale the gradient of each replica down to a norm.

    The norm is Euclidean, over all parameters of one network (Pascanu et al. 2013). metrics.csv holds the share of
    clipped steps as train/clipped.
    """

    mergeable = True
    order = 20
    num_replicas = 1

    def __init__(self, norm: float | None = None, value: float | None = None):
        for name, most in (("norm", norm), ("value", value)):
            valid = most is None or (is_number(most) and 0 < most < math.inf)
            key = f"techniques.clipping.{name}"
            require(valid, key, most, f"null, or a number above 0, for example {key}=1")
        self.norm, self.value = norm, value
        self.steps, self.clipped = 0, torch.zeros(1)

    def attach(self, module: Any) -> None:
        super().attach(module)
        self.num_replicas = module.replicas.num_replicas
        self.steps, self.clipped = 0, torch.zeros(self.num_replicas)

    def after_backward(self) -> None:
        self.clip(self.module.trained)

    def metrics(self) -> dict[str, Tensor]:
        return {"train/clipped": self.share()}

    def keep(self, places: Sequence[int]) -> None:
        self.num_replicas, self.clipped = len(places), self.clipped[list(places)]

    def check_after(self, run: Any) -> None:
        shares = run.recorded["train/clipped"].values()
        must(len(shares) > 0 and all(0 <= share <= 1 for share in shares), "no share of clipped steps was recorded")
        if not any(shares):
            warn("techniques.clipping: no step's gradient was large enough to be clipped")

    @torch.no_grad()
    def clip(self, parameters: Sequence[Tensor]) -> None:
        """Clip the gradients of these parameters in place."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        acted = torch.zeros_like(self.clipped, dtype=torch.bool, device=gradients[0].device)
        if self.value is not None:
            acted |= torch.stack([g.abs().view(self.num_replicas, -1).amax(1) for g in gradients]).amax(0) > self.value
            torch._foreach_clamp_min_(gradients, -self.value)
            torch._foreach_clamp_max_(gradients, self.value)
        if self.norm is not None:
            norms = gradient_norm(gradients, self.num_replicas)
            acted |= norms > self.norm
            scale = (self.norm / norms).clamp_(max=1)
            for g in gradients:
                g.mul_(scale.view(-1, *[1] * (g.dim() - 1)))
        self.steps, self.clipped = self.steps + 1, self.clipped.to(acted.device) + acted

    def share(self) -> Tensor:
        """Return the share of the steps since the last call in which each replica was clipped, [R]."""
        share = self.clipped / self.steps
        self.steps, self.clipped = 0, torch.zeros(self.num_replicas)
        return share


def gradient_norm(gradients: Sequence[Tensor], num_replicas: int) -> Tensor:
    """Return the Euclidean norm per replica, [R], of gradients [R, ...], or [...] for one replica."""
    squares = [gradient.square().reshape(num_replicas, -1).sum(1) for gradient in gradients]
    return torch.stack(squares).sum(0).sqrt()
