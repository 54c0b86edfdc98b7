"""PeriodicNet: a dense network on sines and cosines of each feature, for tables (Gorishniy et al. 2022)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dnnx.basics.errors import is_number, require
from dnnx.nets.layers.activations import make_activation
from dnnx.nets.layers.dropout import check_share
from dnnx.nets.layers.initializers import initialize

LARGEST = 4096  # waves, and outputs, of a feature


class PeriodicFeatures(nn.Module):
    """Embed each feature x by ReLU(W [sin 2 pi c x, cos 2 pi c x] + b): [B, F] -> [B, F * width].

    Each feature has its own c, W and b. The frequencies c [F, waves] are learned. They start from a normal
    distribution of deviation `spread`.
    """

    def __init__(self, features: int, waves: int, width: int, spread: float):
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(features, waves) * spread)
        self.weight = nn.Parameter(torch.randn(features, 2 * waves, width) / math.sqrt(2 * waves))
        self.bias = nn.Parameter(torch.zeros(features, width))

    def forward(self, x: Tensor) -> Tensor:
        angles = 2 * math.pi * x.unsqueeze(-1) * self.frequencies
        waves = torch.cat([angles.sin(), angles.cos()], -1)
        return torch.relu((waves.unsqueeze(-2) @ self.weight).squeeze(-2) + self.bias).flatten(-2)


class PeriodicNet(nn.Module):
    """Embed each feature of a table by learned waves, then pass it through hidden layers: [B, F] -> [B, num_outputs].

    A dense layer on the plain number learns sharp steps slowly; waves of a coordinate, such as a longitude, show them.
    Features should be standardized. It is the PLR embedding of Gorishniy, Rubachev & Babenko 2022, "On Embeddings for
    Numerical Features in Tabular Deep Learning".

    Args:
        waves: frequencies of each feature.
        width: outputs of each feature's embedding.
        spread: standard deviation of the first frequencies, in periods per standard deviation of a feature.

    Example: `PeriodicNet(8, 1, hidden=[256, 256], dropout=0.1)`.
    """

    def __init__(
        self,
        in_shape: int | Sequence[int],
        num_outputs: int,
        hidden: Sequence[int] = (256, 256),
        activation: str = "relu",
        dropout: float = 0.0,
        waves: int = 24,
        width: int = 16,
        spread: float = 0.3,
        init: str = "lecun_normal",
    ):
        super().__init__()
        shape = [in_shape] if isinstance(in_shape, int) else list(in_shape)
        require(len(shape) == 1, "net", tuple(shape), "net=periodic needs the features of a table [F]")
        for key, count in [("waves", waves), ("width", width), *(("hidden", units) for units in hidden)]:
            told = f"a whole number from 1 to {LARGEST}"
            require(type(count) is int and 1 <= count <= LARGEST, f"net.{key}", count, told)
        require(is_number(spread) and spread > 0, "net.spread", spread, "a number above 0, for example net.spread=0.3")
        check_share("net.dropout", dropout)
        layers: list[nn.Module] = [PeriodicFeatures(shape[0], waves, width, spread)]
        below = shape[0] * width
        for units in hidden:
            layers += [nn.Linear(below, units), make_activation(activation)]
            layers += [nn.Dropout(dropout)] if dropout else []
            below = units
        self.layers = nn.Sequential(*layers)
        self.output = nn.Linear(below, num_outputs)
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs [B, num_outputs] of x [B, F]."""
        return self.output(self.layers(x))
