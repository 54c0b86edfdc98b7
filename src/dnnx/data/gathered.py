"""Gathered: pieces of one array that are built when a batch needs them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class Gathered:
    """Pieces [N, T, ...] of an array [rows, ...], gathered by index; it acts as a tensor where batches are made.

    Piece i has the rows `starts[i] + offsets`. No piece is stored.
    """

    values: Tensor
    starts: Tensor  # [N]
    offsets: Tensor  # [T]

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Any) -> Tensor:
        return self.values[self.starts[index][..., None] + self.offsets]

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self.starts), len(self.offsets), *self.values.shape[1:]))

    @property
    def dtype(self) -> torch.dtype:
        return self.values.dtype

    @property
    def device(self) -> torch.device:
        return self.values.device

    def is_floating_point(self) -> bool:
        return self.values.is_floating_point()

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        assert dim == 0, "pieces are along the first axis"
        return self[index]

    def split(self, size: int) -> Iterator[Tensor]:
        return (self[rows] for rows in torch.arange(len(self), device=self.device).split(size))

    def flatten(self, start_dim: int) -> Tensor:
        """Return all pieces in memory, flattened from an axis on, for an estimator that takes no batches."""
        return self[torch.arange(len(self), device=self.device)].flatten(start_dim)

    def to(self, kind: torch.device | torch.dtype) -> "Gathered":
        values = self.values.to(kind)
        return Gathered(values, self.starts.to(values.device), self.offsets.to(values.device))
