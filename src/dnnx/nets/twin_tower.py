"""TwinTower: each of two towers sees one image, and a small head tells whether their classes differ."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.errors import require
from dnnx.nets.dense import WIDEST, DenseNet
from dnnx.nets.dense_checks import DENSE_CHECKS


class TwinTower(nn.Module):
    """Two DenseNets without output layers, `tower_a` and `tower_b`, and a `head` with one hidden layer above both.

    `shared=True` uses tower_a for both images (a siamese network, Bromley et al. 1993).
    """

    checks = DENSE_CHECKS
    batched_layers = True

    def __init__(
        self,
        in_shape: Sequence[int],  # of a pair: the first number is 2
        hidden: Sequence[int],
        activation: str = "elu",
        init: str = "he_normal",
        norm: str | None = None,  # of the towers
        dropout: float = 0.0,  # of the towers, as in DenseNet
        input_dropout: float = 0.0,  # of the towers, as in DenseNet
        shared: bool = False,
        head_width: int = 10,
    ):
        super().__init__()
        of_image, self.pair_axis = list(in_shape[1:]), -len(in_shape)
        require(isinstance(shared, bool), "net.shared", shared, "true for one tower used twice, else false")
        valid = type(head_width) is int and 1 <= head_width <= WIDEST
        require(valid, "net.head_width", head_width, f"a whole number from 1 to {WIDEST:,}")
        self.shared = shared
        layers: dict[str, Any] = {"activation": activation, "init": init}
        towers = layers | {"norm": norm, "dropout": dropout, "input_dropout": input_dropout}
        self.tower_a = DenseNet(of_image, hidden, None, **towers)
        if not shared:
            self.tower_b = DenseNet(of_image, hidden, None, **towers)
        self.head = DenseNet(2 * hidden[-1], [head_width], 1, **layers)

    def forward(self, x: Tensor, return_activations: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Return logits: pairs [B, 2, ...] -> [B]. A logit above 0 means that the classes more likely differ.

        `return_activations` adds the output of every hidden block of the towers by name.
        """
        a, of_a = self.tower_a(x.select(self.pair_axis, 0), return_activations=True)
        b, of_b = (self.tower_a if self.shared else self.tower_b)(x.select(self.pair_axis, 1), return_activations=True)
        logits = self.head(torch.cat([a, b], -1))[..., 0]
        if not return_activations:
            return logits
        of_tower = {"tower_a": of_a} | ({} if self.shared else {"tower_b": of_b})
        return logits, {f"{tower}.{name}": value for tower, of in of_tower.items() for name, value in of.items()}
