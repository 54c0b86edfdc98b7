"""The plane of two features is drawn from examples that are numbers in memory; other data have no such figure."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from dnnx.data.sparse import Sparse
from dnnx.data.streams import Unread
from dnnx.tasks.boundary import GRID, boundary


def plane(x: Any) -> dict[str, Tensor]:
    y = torch.tensor([0, 1])
    splits = Unread() if x is None else {"train": (x, y), "test": (x, y)}
    data = SimpleNamespace(in_shape=(2,), num_classes=2, splits=splits)
    return boundary(lambda points: points.sum(-1)[None], data, torch.clone)


def test_two_numbers_have_a_plane() -> None:
    assert plane(torch.tensor([[0.0, 1.0], [2.0, 3.0]]))["boundary"].shape == (1, GRID, GRID)


@pytest.mark.parametrize("x", [Sparse(csr_matrix([[0, 2], [1, 0]])), torch.tensor([[0, 2], [1, 0]]), None])
def test_two_words_two_tokens_and_streamed_features_have_none(x: Any) -> None:
    assert plane(x) == {}
