"""Weight curves: every weight and bias of a small network in every epoch."""

from typing import Any

import torch
from torch import Tensor

from dnnx.basics.at_work import must
from dnnx.basics.errors import require
from dnnx.techniques.base import Technique

MAX_WEIGHTS = 200  # of one network; more are no figure, and metrics.csv has a row for each in every epoch


class WeightCurves(Technique):
    """Record each trained number of a network in metrics.csv, as weights/<parameter>.<place>. Training is unchanged."""

    mergeable = True

    def attach(self, module: Any) -> None:
        super().attach(module)
        num = sum(p.numel() for p in module.trained) // module.replicas.num_replicas
        told = f"the network has more than {MAX_WEIGHTS} weights; it is for tiny ones"
        require(num <= MAX_WEIGHTS, "techniques.weight_curves", num, told)

    @torch.no_grad()
    def metrics(self) -> dict[str, Tensor]:
        num = self.module.replicas.num_replicas
        found: dict[str, Tensor] = {}
        for name, p in self.module.replicas.net.named_parameters():
            if p.requires_grad:
                flat = p.detach().reshape(num, -1)
                found |= {f"weights/{name}.{place}": values.clone() for place, values in enumerate(flat.unbind(1))}
        return found

    def check_after(self, run: Any) -> None:
        rows = run.trainer.callbacks
        must(any("weights," in row for callback in rows for row in getattr(callback, "rows", [])), "none was recorded")
