"""Gradient clipping, for each replica by itself: by value, and by the norm of all its gradients."""

from collections.abc import Sequence

import torch
from torch import Tensor


class Clipping:
    """Clips, in place, each element of the gradients to [-value, value], then the gradient of each replica, all
    parameters together, to a Euclidean norm of at most `norm` (Pascanu et al. 2013). Counts in how many steps it did.
    """

    def __init__(self, num_replicas: int, norm: float | None = None, value: float | None = None):
        self.num_replicas, self.norm, self.value = num_replicas, norm, value
        self.steps, self.clipped = 0, torch.zeros(num_replicas)

    @torch.no_grad()
    def __call__(self, parameters: Sequence[Tensor]) -> None:
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
        """In which share of the steps since the last call each replica was clipped, [R]."""
        share = self.clipped / self.steps
        self.steps, self.clipped = 0, torch.zeros(self.num_replicas)
        return share


def gradient_norm(gradients: Sequence[Tensor], num_replicas: int) -> Tensor:
    """Euclidean norm per replica, [R], of gradients that carry a leading replica axis (or none for one replica)."""
    squares = [gradient.square().reshape(num_replicas, -1).sum(1) for gradient in gradients]
    return torch.stack(squares).sum(0).sqrt()
