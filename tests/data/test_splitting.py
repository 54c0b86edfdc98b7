"""Examples are divided into train, val and test by shares, class by class, in a random order that a seed fixes."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnnx.basics.errors import UserError
from dnnx.data.splitting import check_shares, complete, split_rows, told_of

SHARES = (0.7, 0.15, 0.15)


def labels(*counts: int) -> torch.Tensor:
    return torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))


def counts_of(y: torch.Tensor, shares: Sequence[float], seed: int = 0) -> list[list[int]]:
    """Return the numbers of each class in each part."""
    return [y[rows].bincount(minlength=int(y.max()) + 1).tolist() for rows in split_rows(y, shares, seed)]


@given(st.lists(st.integers(3, 30), min_size=1, max_size=4), st.integers(0, 2**40))
def test_every_row_is_in_one_part(counts: list[int], seed: int) -> None:
    y = labels(*counts)
    parts = split_rows(y, SHARES, seed)
    assert sorted(torch.cat(parts).tolist()) == list(range(len(y)))
    assert all(count >= 1 for part in counts_of(y, SHARES, seed) for count in part), "each class is in each part"


def test_each_class_is_divided_by_the_shares_and_train_gets_the_remainder() -> None:
    assert counts_of(labels(10, 20), SHARES) == [[6, 14], [2, 3], [2, 3]]
    assert counts_of(labels(9), (0.5, 0.25, 0.25)) == [[5], [2], [2]]
    assert counts_of(labels(85), SHARES[:2]) == [[70], [15]], "two shares are those of train and val alone"


def test_a_part_of_a_small_share_takes_one_example_from_the_largest() -> None:
    assert counts_of(labels(3), (0.05, 0.9, 0.05)) == [[1], [1], [1]]
    assert counts_of(labels(4), (0.02, 0.49, 0.49)) == [[1], [1], [2]]
    assert counts_of(labels(40), (0.98, 0.01, 0.01)) == [[38], [1], [1]]


@pytest.mark.parametrize("y", [torch.arange(20.0), torch.zeros(20, 2, dtype=torch.int64)], ids=["numbers", "maps"])
def test_other_targets_are_divided_as_a_whole(y: torch.Tensor) -> None:
    assert [len(rows) for rows in split_rows(y, SHARES, 0)] == [14, 3, 3]


def test_the_order_is_random_and_its_seed_alone_fixes_it() -> None:
    y = labels(30, 30)
    first, again, other = (split_rows(y, SHARES, seed) for seed in (0, 0, 1))
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert first[0].tolist() != sorted(first[0].tolist())
    reordered = split_rows(torch.zeros(60, 2), SHARES, 0)
    assert not torch.equal(reordered[0], split_rows(torch.zeros(60, 2), SHARES, 1)[0])


@pytest.mark.parametrize(
    ("y", "shares", "names", "says"),
    [
        (labels(9, 2), SHARES, [], "data: class 1 has 2 examples; train, val and test need one each at least"),
        (labels(9, 2), SHARES, ["cat", "dog"], "data: class dog has 2 examples; train, val and test need one"),
        (labels(9, 1), SHARES[:2], [], "data: class 1 has 1 example; train and val need one each at least"),
        (torch.arange(2.0), SHARES, [], "data: the data has 2 examples; train, val and test need one each"),
    ],
)
def test_fewer_examples_than_parts_are_one_line(y: Any, shares: Any, names: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        split_rows(y, shares, 0, names)


def pair(*counts: int) -> tuple[torch.Tensor, torch.Tensor]:
    y = labels(*counts)
    return torch.arange(len(y))[:, None], y


def test_given_splits_stay_and_missing_ones_are_drawn() -> None:
    given_all = {"train": pair(5), "val": pair(5), "test": pair(5)}
    assert complete(given_all, SHARES, 0) is given_all
    drawn = complete({"all": pair(10, 20)}, SHARES, 0)
    assert {part: len(y) for part, (_, y) in drawn.items()} == {"train": 20, "val": 5, "test": 5}
    official = pair(7)
    drawn = complete({"train": pair(85), "test": official}, SHARES, 0)
    assert list(drawn) == ["train", "val", "test"]
    assert (len(drawn["train"][1]), len(drawn["val"][1])) == (70, 15)
    assert drawn["test"] is official, "official test examples are never moved"
    for x, y in complete({"all": pair(10, 20)}, SHARES, 0).values():
        assert torch.equal(y, (x[:, 0] >= 10).long()), "an example keeps its label"
    with pytest.raises(UserError, match=r"^data=30 examples and 29 targets: as many targets as examples needed"):
        complete({"all": (pair(30)[0], labels(29))}, SHARES, 0)


@pytest.mark.parametrize(
    "shares",
    [(0.5, 0.5), (0.7, 0.3, 0.0), (1.0, 0.5, -0.5), (0.5, 0.3, 0.1), (0.7, 0.2, 0.10001), (0.7, 0.3, "x"),
     (0.4, 0.3, 0.2, 0.1), (0.7, 0.2, True)],
)  # fmt: skip
def test_shares_that_are_none_are_one_line(shares: Any) -> None:
    with pytest.raises(UserError, match=r"^data\.split=\[.*\]: three shares above 0 whose sum is 1"):
        check_shares(shares, 0)


@pytest.mark.parametrize("seed", [-1, 1.5, True, None, "0"])
def test_a_seed_that_is_none_is_one_line(seed: Any) -> None:
    with pytest.raises(UserError, match=rf"^data\.order_seed={seed}: a whole number of at least 0"):
        check_shares(SHARES, seed)


def test_shares_may_be_rounded_and_a_seed_0() -> None:
    check_shares((0.7, 0.2, 0.1), 0)
    check_shares((1 / 3, 1 / 3, 1 / 3), 7)
    check_shares((0.7, 0.2, 0.1 + 5e-7), 0)


def test_a_note_says_how_the_examples_were_divided() -> None:
    assert told_of(["train", "val", "test"], SHARES, 0) == ""
    assert told_of(["all"], SHARES, 3) == ", split 0.7/0.15/0.15 by data.order_seed=3"
    assert told_of(["train", "test"], SHARES, 3) == ", validation drawn from training by data.order_seed=3"


@pytest.mark.parametrize("y", [torch.zeros(0), torch.zeros(0, dtype=torch.long)])
def test_no_example_is_one_line(y: torch.Tensor) -> None:
    with pytest.raises(UserError, match="data=0 examples: at least one for each part is needed"):
        split_rows(y, (0.7, 0.15, 0.15), 0)
