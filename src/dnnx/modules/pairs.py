"""Pairs: R twin towers that learn whether two images are of one class or of two."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.modules.classifier import Classifier
from dnnx.nets.twin_tower import TwinTower
from dnnx.tasks import scores

NUM_SAMPLES = 30  # test pairs for the figure of them
NUM_EMBEDDED = 1000  # test images for the embedding


class Pairs(Classifier):
    """Learns from batches (x [R, B, 2, features], y [R, B]); to validate a batch may be one for all replicas.

    A net has one logit z, of 'different'. (0, z) are then the logits of 'same' and 'different': softmax of them is
    the logistic function of z, cross-entropy the binary one.
    """

    architecture = TwinTower

    def build_net(self, in_features: int, num_classes: int, net: Mapping[str, Any]) -> nn.Module:
        return TwinTower(in_features, **net)

    def forward(self, x: Tensor, **kwargs: Any) -> Any:
        """Logits [R, B, 2] for pairs of each replica [R, B, 2, features], or of all [B, 2, features]."""
        out = self.replicas(x, shared=x.dim() == 3, **kwargs)
        z, *activations = out if isinstance(out, tuple) else (out,)
        logits = torch.stack([torch.zeros_like(z), z], -1)
        return (logits, *activations) if activations else logits

    def choose(self, logits: Tensor, y: Tensor) -> dict[str, Any]:
        return {"threshold": scores.best_threshold(logits, y)}

    def metrics(self, logits: Tensor, y: Tensor, threshold: float = 0.5) -> dict[str, Any]:
        return scores.binary(logits, y, threshold)

    @torch.no_grad()
    def exhibits(self, data: Any) -> dict[str, Tensor]:
        """Test pairs in their order, and what the first replica's tower A makes of the first test images."""
        x, digits = data.splits["test"]
        x = x[:NUM_EMBEDDED]
        _, activations = self(torch.stack([x, x], 1), return_activations=True)
        top = [name for name in activations if name.startswith("tower_a.")][-1]
        samples = torch.arange(min(NUM_SAMPLES, data.sizes["test"]))
        return {
            "sample_index": samples,
            "sample_images": data.test_pictures(samples),
            "embedded": activations[top][0],
            "embedded_labels": digits[:NUM_EMBEDDED],
        }
