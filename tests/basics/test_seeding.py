"""Random streams: one per purpose and seed, the same on every machine."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from dnnx.basics.seeding import derive, generator

purposes = st.lists(st.one_of(st.text(max_size=5), st.integers(0, 9)), max_size=3).map(tuple)


def test_derived_seeds_are_these_on_every_machine() -> None:
    assert derive(0, "init") == 1749912909633406932
    assert derive(3, "order", 1) == 8763829436781372624


@given(st.integers(0, 2**63), purposes)
def test_a_derived_seed_has_63_bits_and_is_the_same_again(seed: int, purpose: tuple) -> None:
    assert 0 <= derive(seed, *purpose) < 2**63
    assert derive(seed, *purpose) == derive(seed, *purpose)


@given(st.integers(0, 2**63), purposes, st.integers(0, 2**63), purposes)
def test_different_arguments_give_different_seeds(a: int, p: tuple, b: int, q: tuple) -> None:
    assert (derive(a, *p) == derive(b, *q)) == ((a, p) == (b, q))


def test_arguments_do_not_run_together() -> None:
    assert len({derive(1, "ab"), derive(1, "a", "b"), derive(1, 11), derive(11, 1), derive(1, "11")}) == 5


def test_generators_are_independent_of_the_global_stream_and_leave_it_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first = torch.rand(5, generator=generator(3, "order", 1))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first, torch.rand(5, generator=generator(3, "order", 1)))
    assert not torch.equal(first, torch.rand(5, generator=generator(3, "order", 2)))
