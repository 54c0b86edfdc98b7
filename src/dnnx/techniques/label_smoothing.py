"""Label smoothing: spread a share of each label over all classes, during training only."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dnnx.basics.at_work import must
from dnnx.basics.errors import UserError, is_number, require
from dnnx.techniques.base import Technique


def smoothed_cross_entropy(outputs: Tensor, y: Tensor, share: float) -> Tensor:
    """Return the cross-entropy with smoothed labels (Szegedy et al. 2016): [N, C], [N] -> [N]."""
    return F.cross_entropy(outputs, y, reduction="none", label_smoothing=share)


class LabelSmoothing(Technique):
    """Train on smoothed labels (Szegedy et al. 2016). Recorded losses use the plain labels."""

    mergeable = True
    order = 5

    def __init__(self, share: float):
        valid = is_number(share) and 0 <= share < 1
        told = "a share in [0, 1), for example techniques.label_smoothing.share=0.1"
        require(valid, "techniques.label_smoothing.share", share, told)
        self.share = share

    def attach(self, module: Any) -> None:
        super().attach(module)
        if not module.task.has_classes:
            raise UserError(f"techniques.label_smoothing: task={type(module.task).__name__} has no class labels")

    def example_loss(self, loss: Tensor, outputs: Tensor, y: Tensor) -> Tensor:
        return self.module.per_example(lambda o, t: smoothed_cross_entropy(o, t, self.share), outputs, y)

    def check_before(self, run: Any) -> None:
        num, classes = self.module.replicas.num_replicas, max(2, run.data.num_classes)
        device = next(self.module.parameters()).device
        outputs = torch.zeros(num, 1, classes, device=device)
        outputs[..., 0], y = 5, torch.zeros(num, 1, dtype=torch.int64, device=device)
        loss = self.module.losses(outputs, y)
        smoothed = self.module.objective(outputs, y, loss)
        self.share, share = 0.0, self.share
        plain = self.module.objective(outputs, y, loss)
        self.share = share
        must(share == 0 or (smoothed - plain > 1e-6).all(), "training uses the plain loss")
