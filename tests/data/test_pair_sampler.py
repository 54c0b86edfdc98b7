"""Pairs: half same and half different in every even slice, labels true, no image with itself, images equally likely."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dnnx.basics.seeding import generator
from dnnx.data.pair_sampler import DIFFERENT, SAME, PairBatches, PairSampler

counts = st.lists(st.integers(2, 9), min_size=2, max_size=6)


def shuffled(counts: list[int], seed: int) -> Tensor:
    """Labels of `counts` images of each class, in any order."""
    y = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return y[torch.randperm(len(y), generator=generator(seed, "shuffle"))]


@given(counts, st.integers(0, 2**40))
def test_labels_are_true_and_no_image_is_paired_with_itself(counts: list[int], seed: int) -> None:
    y = shuffled(counts, seed)
    rows, label = PairSampler(y).draw(200, generator(seed))
    assert torch.equal(y[rows[:, 0]] != y[rows[:, 1]], label == DIFFERENT)
    assert (rows[:, 0] != rows[:, 1]).all()


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 2**40))
def test_every_batch_has_exactly_half_of_each(half: int, num_batches: int, seed: int) -> None:
    x = torch.arange(24.0)[:, None]
    sampler = PairSampler(torch.arange(24) % 4)
    num = 2 * half * num_batches
    batches = list(PairBatches(x, num, 2 * half, lambda: sampler.draw(num, generator(seed))))
    assert len(batches) == num_batches
    for images, y in batches:
        assert y.bincount(minlength=2).tolist() == [half, half]
        assert torch.equal((images[:, 0, 0] % 4 != images[:, 1, 0] % 4).long(), y)


@pytest.mark.parametrize("counts", [[2, 2], [5, 5, 5, 5], [60, 70, 80]])
def test_images_are_equally_likely_on_both_sides(counts: list[int]) -> None:
    y = shuffled(counts, 0)
    rows, label = PairSampler(y).draw(400_000, generator(1))
    for kind in (SAME, DIFFERENT):
        for side in (0, 1):
            # Where classes have other sizes the second of a different pair is off by up to their share.
            expected = expected_share(y) if (kind, side) == (DIFFERENT, 1) else torch.full((len(y),), 1 / len(y))
            seen = rows[label == kind, side].bincount(minlength=len(y)).double()
            chi_square = ((seen - seen.sum() * expected) ** 2 / (seen.sum() * expected)).sum().item()
            assert chi_square < len(y) + 5 * (2 * len(y)) ** 0.5


def expected_share(y: Tensor) -> Tensor:
    """How often each image should come second, where the first is uniform and the second uniform over other classes."""
    other = (y[:, None] != y).double()
    return (other / other.sum(1, keepdim=True)).mean(0)


def test_all_pairs_come() -> None:
    y = shuffled([3, 3, 4], 0)
    rows, _ = PairSampler(y).draw(20_000, generator(2))
    assert len(rows.unique(dim=0)) == 10 * 9


def test_a_generator_decides_the_pairs() -> None:
    sampler = PairSampler(torch.arange(100) % 10)
    first, again, other = (sampler.draw(50, generator(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
