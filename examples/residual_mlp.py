"""A residual network of dense layers that sees the mean of its input too. From this folder:

dnnx train net._target_=residual_mlp.ResidualMLP net.depth=3 data=mnist seeds=5
"""

from math import prod

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.linear = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dropout(torch.relu(self.linear(self.norm(x))))


class ResidualMLP(nn.Module):
    """`depth` residual blocks of `width` units."""

    def __init__(
        self, in_shape: tuple[int, ...], num_outputs: int, width: int = 32, depth: int = 2, dropout: float = 0.1
    ):
        super().__init__()
        self.input = nn.Linear(prod(in_shape) + 1, width)
        self.blocks = nn.Sequential(*(Block(width, dropout) for _ in range(depth)))
        self.output = nn.Linear(width, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)  # [B, features]
        mean = x.mean(1)[:, None]
        x = self.input(torch.cat([x, mean], 1))
        return self.output(self.blocks(x))
