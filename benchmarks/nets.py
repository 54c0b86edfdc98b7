"""Nets beside DenseNet5 that the benchmark trains: each for MNIST 0-4, in plain PyTorch."""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 5


def dense5() -> nn.Module:
    """Return five hidden layers of 100 units with ELU."""
    layers: list[nn.Module] = [nn.Flatten()]
    for below, above in pairwise([784, 100, 100, 100, 100, 100]):
        layers += [nn.Linear(below, above), nn.ELU()]
    return nn.Sequential(*layers, nn.Linear(100, CLASSES))


def convnet() -> nn.Module:
    """Return two convolutions of 8 and 16 channels with pooling, and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(784, CLASSES),
    )  # fmt: skip


class Recurrent(nn.Module):
    """A GRU of 64 units that reads an image row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.output = nn.GRU(28, 64, batch_first=True), nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:  # [B, 1, 28, 28]
        return self.output(F.relu(self.cell(x.squeeze(-3))[0][:, -1]))
