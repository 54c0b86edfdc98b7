"""Sparse: indexing gives the rows of the dense matrix, in any order and shape."""

import torch
from scipy.sparse import random as random_matrix

from dnnx.data.loaders import EvalBatches, TrainBatches
from dnnx.data.sparse import Sparse


def pair() -> tuple[Sparse, torch.Tensor]:
    matrix = random_matrix(50, 30, density=0.1, random_state=0, format="csr")
    return Sparse(matrix), torch.from_numpy(matrix.toarray()).float()


def test_rows_are_those_of_the_dense_matrix() -> None:
    sparse, dense = pair()
    index = torch.randint(50, (4, 7), generator=torch.Generator().manual_seed(0))
    assert torch.equal(sparse[index], dense[index])
    assert torch.equal(sparse[3:9], dense[3:9])
    assert torch.equal(torch.cat([*sparse.split(8)]), dense)
    assert (sparse.csr() != Sparse(sparse.csr()).csr()).nnz == 0
    assert tuple(sparse.shape) == dense.shape
    assert len(sparse) == 50


def test_batches_of_every_seed_are_those_of_the_dense_matrix() -> None:
    sparse, dense = pair()
    y = torch.arange(50)
    rows = torch.stack([torch.arange(20), torch.arange(30, 50)])
    for own in (None, rows):
        made = [TrainBatches(x, y, 5, [0, 3], lambda: 1, own) for x in (sparse, dense)]  # type: ignore[arg-type]
        for (x, labels), (expected, same) in zip(*made, strict=True):
            assert torch.equal(x, expected)
            assert torch.equal(labels, same)
        evaluated = [EvalBatches(x, y, 8, own) for x in (sparse, dense)]  # type: ignore[arg-type]
        for (x, _), (expected, _) in zip(*evaluated, strict=True):
            assert torch.equal(x, expected)


def test_a_row_without_numbers_is_a_row_of_zeros() -> None:
    assert Sparse([[0, 0], [1, 0]])[torch.tensor([0, 1, 0])].tolist() == [[0, 0], [1, 0], [0, 0]]
