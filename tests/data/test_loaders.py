"""Batches: each seed in an order of its own, full, without repetition, gathered from the one copy of the data."""

import gc
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dnnx.data.loaders import Chunks, EvalBatches, TrainBatches


def numbered(n: int, features: int = 2) -> tuple[Tensor, Tensor]:
    """Images that are their own index, labels that follow from it."""
    index = torch.arange(n)
    return index[:, None].expand(n, features).float().contiguous(), index % 5


def orders(n: int, batch_size: int, seeds: list[int], epoch: int) -> Tensor:
    """The indices [R, n // batch_size * batch_size] that an epoch visits."""
    batches = list(TrainBatches(*numbered(n), batch_size, seeds, lambda: epoch))
    return torch.cat([x[:, :, 0] for x, _ in batches], dim=1).long()


sizes = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))
some_seeds = st.lists(st.integers(0, 2**40), min_size=1, max_size=4, unique=True)


@given(sizes, some_seeds, st.integers(0, 1000))
def test_batches_are_full_and_no_image_comes_twice(size: tuple[int, int], seeds: list[int], epoch: int) -> None:
    n, batch_size = size
    batches = TrainBatches(*numbered(n), batch_size, seeds, lambda: epoch)
    seen = list(batches)
    assert len(seen) == len(batches) == n // batch_size
    for x, y in seen:
        assert x.shape == (len(seeds), batch_size, 2)
        assert y.shape == (len(seeds), batch_size)
        assert torch.equal(x[:, :, 0] % 5, y.float())  # labels stay with their images
    for visited in torch.cat([x[:, :, 0] for x, _ in seen], dim=1):
        assert len(visited.unique()) == len(visited)


@pytest.mark.parametrize(("n", "batch_size"), [(33, 32), (32, 32), (5, 2), (1, 1)])
def test_odd_sizes_leave_out_less_than_a_batch(n: int, batch_size: int) -> None:
    assert orders(n, batch_size, [0, 1], 0).shape == (2, n - n % batch_size)


@given(some_seeds, st.integers(0, 1000))
def test_an_order_depends_on_seed_and_epoch_and_nothing_else(seeds: list[int], epoch: int) -> None:
    among_others = orders(23, 4, seeds, epoch)
    torch.rand(3)
    for seed, order in zip(seeds, among_others, strict=True):
        assert torch.equal(order, orders(23, 4, [seed], epoch)[0])


def test_orders_of_seeds_and_epochs_differ() -> None:
    visited = [tuple(order.tolist()) for epoch in range(5) for order in orders(50, 50, [0, 1, 2], epoch)]
    assert len(set(visited)) == len(visited)


def test_the_images_left_out_differ_between_epochs() -> None:
    left_out = [set(range(10)) - set(orders(10, 4, [0], epoch)[0].tolist()) for epoch in range(100)]
    assert set().union(*left_out) == set(range(10))


def test_every_place_is_equally_likely() -> None:
    first = torch.stack([orders(5, 5, [seed], epoch)[0] for seed in range(20) for epoch in range(50)])
    counts = torch.stack([(first == image).sum(0) for image in range(5)]).double()
    expected = len(first) / 5
    chi_square = ((counts - expected) ** 2 / expected).sum().item()
    assert chi_square < 39.3  # the 99.9th percentile with (5 - 1)^2 = 16 degrees of freedom


def test_an_epoch_is_asked_for_when_its_batches_are() -> None:
    epoch = 0
    batches = TrainBatches(*numbered(10), 10, [0], lambda: epoch)
    first = next(iter(batches))[0]
    epoch = 1
    second = next(iter(batches))[0]
    assert not torch.equal(first, second)


def test_batches_are_on_the_device_of_the_data(device: torch.device) -> None:
    x, y = (tensor.to(device) for tensor in numbered(10))
    for batches in (TrainBatches(x, y, 4, [0, 1], lambda: 0), EvalBatches(x, y, 4)):
        assert all(tensor.device == x.device for batch in batches for tensor in batch)
    on_cpu = torch.cat([x for x, _ in TrainBatches(*numbered(10), 4, [0, 1], lambda: 0)], dim=1)
    assert torch.equal(torch.cat([x for x, _ in TrainBatches(x, y, 4, [0, 1], lambda: 0)], dim=1).cpu(), on_cpu)


def test_the_training_data_is_held_once() -> None:
    x, y = numbered(2000, features=100)
    size = x.untyped_storage().nbytes()
    before = _storages(size)
    batches = iter(TrainBatches(x, y, 10, list(range(20)), lambda: 0))
    next(batches)
    assert _storages(size) == before
    for batch, _ in EvalBatches(x, y, 64):
        assert batch.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


def _storages(size: int) -> set[int]:
    """Where tensors of at least `size` bytes lie."""
    tensors = [t for t in gc.get_objects() if type(t) is Tensor and t.untyped_storage().nbytes() >= size]
    return {t.untyped_storage().data_ptr() for t in tensors}


@given(sizes)
def test_an_evaluation_visits_every_image_once_in_its_own_order(size: tuple[int, int]) -> None:
    n, batch_size = size
    x, y = numbered(n)
    batches = EvalBatches(x, y, batch_size)
    seen = list(batches)
    assert len(seen) == len(batches)
    assert torch.equal(torch.cat([x for x, _ in seen]), x)
    assert torch.equal(torch.cat([y for _, y in seen]), y)


@pytest.mark.parametrize(("n", "steps", "lengths"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 4, [3])])
def test_chunks_hold_every_batch_once_in_order(n: int, steps: int, lengths: list[int]) -> None:
    chunks = Chunks(range(n), steps)
    for _ in range(2):  # an epoch after another
        seen = [list(chunk) for chunk in chunks]
        assert list(map(len, seen)) == lengths
        assert [batch for chunk in seen for batch in chunk] == list(range(n))
    assert len(chunks) == len(lengths)


# --- rows: each seed its own images


some_rows = st.tuples(st.integers(1, 4), st.integers(1, 20)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(0, 49), min_size=shape[1], max_size=shape[1], unique=True),
        min_size=shape[0],
        max_size=shape[0],
    )
)


@given(some_rows, st.integers(1, 20), st.integers(0, 1000))
def test_with_rows_each_seed_visits_its_own_images_once(rows: list[list[int]], batch_size: int, epoch: int) -> None:
    n, seeds = len(rows[0]), list(range(len(rows)))
    if batch_size > n:
        return
    batches = TrainBatches(*numbered(50), batch_size, seeds, lambda: epoch, torch.tensor(rows))
    seen = list(batches)
    assert len(seen) == len(batches) == n // batch_size
    for visited, own in zip(torch.cat([x[:, :, 0] for x, _ in seen], dim=1).long(), rows, strict=True):
        assert set(visited.tolist()) <= set(own)
        assert len(visited.unique()) == len(visited)
    assert all(torch.equal(x[:, :, 0] % 5, y.float()) for x, y in seen)


def test_rows_are_visited_in_the_order_that_images_without_rows_are() -> None:
    rows = torch.tensor([[7, 3, 9, 1], [0, 2, 4, 6]])
    batches = TrainBatches(*numbered(10), 2, [5, 8], lambda: 3, rows)
    visited = torch.cat([x[:, :, 0] for x, _ in batches], dim=1).long()
    assert torch.equal(visited, rows.gather(1, orders(4, 2, [5, 8], 3)))


@given(some_rows, st.integers(1, 20))
def test_an_evaluation_with_rows_visits_each_seeds_own_in_their_order(rows: list[list[int]], batch_size: int) -> None:
    batches = EvalBatches(*numbered(50), batch_size, torch.tensor(rows))
    seen = list(batches)
    assert len(seen) == len(batches)
    assert torch.cat([x[:, :, 0] for x, _ in seen], dim=1).long().tolist() == rows
    assert (torch.cat([y for _, y in seen], dim=1) == torch.tensor(rows) % 5).all()


@given(sizes, some_seeds, st.integers(1, 60))
def test_epochs_of_any_number_of_batches_are_parts_of_the_same_passes(
    size: tuple[int, int], seeds: list[int], each: int
) -> None:
    n, batch_size = size
    passes = torch.cat([orders(n, batch_size, seeds, number) for number in range(3)], 1)
    x, y = numbered(n)
    parts = [TrainBatches(x, y, batch_size, seeds, partial(int, epoch), None, None, each) for epoch in range(5)]
    seen = [[batch[0][:, :, 0] for batch in part] for part in parts]
    assert [len(part) for part in seen] == [len(part) for part in parts] == [each] * 5
    together = torch.cat([x for part in seen for x in part], 1).long()
    both = min(passes.shape[1], together.shape[1])
    assert torch.equal(together[:, :both], passes[:, :both])
