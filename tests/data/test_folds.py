"""Folds: disjoint, covering, stratified, fixed by their seed, and never of test images."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnnx.basics.errors import UserError
from dnnx.data.arrays import ArrayData
from dnnx.data.digits import Digits
from dnnx.data.folds import fold_rows, for_trial, make_folds


def few_of_each(root: Any) -> Digits:
    few = partial(Digits, train_per_class=10, val_per_class=5)
    return few(seeds=[7, 8], root=str(root), source="digits", classes=range(5, 10))


class Untouchable(dict):
    """Splits of which the one for the test cannot even be looked at."""

    def __getitem__(self, split: str) -> Any:
        assert split != "test", "the test images were touched"
        return super().__getitem__(split)

    def items(self) -> Any:
        raise AssertionError("all splits were touched, that for the test among them")

    values = items


@given(st.lists(st.integers(4, 30), min_size=2, max_size=5), st.integers(2, 4), st.integers(0, 2**40))
def test_folds_are_disjoint_covering_equal_and_stratified(counts: list[int], folds: int, seed: int) -> None:
    y = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))]
    train, val = fold_rows(y, folds, seed)
    assert val.shape == (folds, len(y) // folds)
    assert len(val.unique()) == val.numel() > len(y) - folds, "an image is in two folds, or too many are in none"
    for r in range(folds):
        assert sorted([*train[r].tolist(), *val[r].tolist()]) == sorted(val.flatten().tolist())
    per_class = torch.stack([y[rows].bincount(minlength=len(counts)) for rows in val])
    assert ((per_class.max(0).values - per_class.min(0).values) <= 1).all()


def test_the_remainder_is_spread_over_the_classes_and_any_example_may_be_in_it() -> None:
    y = torch.arange(3).repeat_interleave(torch.tensor([59, 71, 48]))
    left = [set(range(178)) - set(fold_rows(y, 5, seed)[1].flatten().tolist()) for seed in range(1200)]
    assert all(len(rows) == 3 for rows in left)
    assert all(len({int(y[i]) for i in rows}) >= 2 for rows in left)
    times = torch.tensor([i for rows in left for i in rows]).bincount(minlength=178)
    assert times.min() >= 5, "20 of 1,200 are expected for each example"
    assert times.max() <= 45


def test_the_folds_depend_on_their_seed_alone() -> None:
    y = torch.arange(60) % 3
    first, again, other = (fold_rows(y, 3, seed)[1] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_folds_hold_training_and_validation_images_and_no_test_image(tmp_path: Any) -> None:
    data = Digits(seeds=[0], root=str(tmp_path), source="digits", classes=range(5))
    data.setup()
    (train, _), (val, _), (test, _) = (data.splits[split] for split in ("train", "val", "test"))
    data.splits = Untouchable(data.splits)
    folded = make_folds(data, 3, seed=0)
    assert set(folded.splits) == {"train", "val"}
    assert folded.sizes == {"train": 480, "val": 240}
    used = {tuple(image) for image in folded.splits["train"][0].flatten(1).tolist()}
    assert used == {tuple(image) for image in torch.cat([train, val]).flatten(1).tolist()}
    assert not used & {tuple(image) for image in test.flatten(1).tolist()}


def test_where_each_seed_has_its_own_images_the_folds_are_of_the_first_seeds(tmp_path: Any) -> None:
    data = few_of_each(tmp_path)
    data.setup()
    x, y = make_folds(data, 3, seed=0).splits["train"]
    rows = torch.cat([data.rows["train"][0], data.rows["val"][0]])
    assert torch.equal(x, data.splits["train"][0][rows])
    assert y.bincount().tolist() == [15] * 5


@pytest.mark.parametrize("folds", [1, 0, 2.5, None, 10_000])
def test_an_impossible_number_of_folds_is_a_one_line_error(folds: Any, tmp_path: Any) -> None:
    data = Digits(seeds=[0], root=str(tmp_path), source="digits", classes=range(5))
    data.setup()
    with pytest.raises(UserError, match=rf"folds={folds}: a whole number from 2 to 360"):
        make_folds(data, folds, seed=0)


def test_a_trial_has_its_own_batch_size_and_no_features_of_another(tmp_path: Any) -> None:
    data = Digits(seeds=[0], root=str(tmp_path), source="digits", classes=range(5))
    data.setup()
    folded = make_folds(data, 3, seed=0)
    first = for_trial(folded, 16)
    first.features["train"] = folded.splits["train"]
    assert (for_trial(folded, 32).batch_size, for_trial(folded, 32).features) == (32, {})
    with pytest.raises(UserError, match=r"data\.batch_size=481: a whole number from 1 to the 480"):
        for_trial(folded, 481).check_batch_size(1)


def test_class_weights_go_with_the_examples_of_every_fold() -> None:
    y = torch.arange(40) % 4 % 3  # class 0 twice as often
    data = ArrayData(seeds=[0], x=torch.randn(40, 2), y=y, class_weights=[1.0, 2.0, 4.0], batch_size=4)
    data.setup()
    folded = make_folds(data, 3, seed=0)
    folded.trainer = SimpleNamespace(current_epoch=0)
    for _, labels, weights in folded.train_dataloader().batches:
        assert torch.equal(weights, torch.tensor([1.0, 2.0, 4.0])[labels])


def test_weights_of_single_examples_are_refused_in_one_line() -> None:
    data = ArrayData(seeds=[0], x=torch.randn(40, 2), y=torch.arange(40) % 2)
    data.setup()
    data.weights = torch.rand(len(data.splits["train"][1]))
    with pytest.raises(UserError, match=r"^data.weight=given: folds train on validation examples too, which have no"):
        make_folds(data, 3, seed=0)


def test_views_of_an_image_are_dealt_to_no_folds() -> None:
    data = ArrayData(seeds=[0], x=torch.randn(40, 2), y=torch.arange(40) % 2)
    data.setup()
    data.views = 3  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"^data\.views=3: views of one image would be in training and validation"):
        make_folds(data, 4, seed=0)
    data.views = 1  # type: ignore[attr-defined]
    assert make_folds(data, 4, seed=0).seeds == [0, 1, 2, 3]


def test_half_of_the_examples_are_the_most_folds_and_data_without_weights_has_none(tmp_path: Any) -> None:
    data = ArrayData(seeds=[0], x=torch.randn(40, 2), y=torch.arange(40) % 2)
    data.setup()
    most = (data.sizes["train"] + data.sizes["val"]) // 2
    folded = make_folds(data, most, seed=0)
    assert folded.weights is None
    assert folded.sizes["val"] == 2
    assert make_folds(data, 2, seed=0).seeds == [0, 1]
    with pytest.raises(UserError, match=rf"folds={most + 1}: a whole number from 2 to {most}"):
        make_folds(data, most + 1, seed=0)


def test_data_that_says_nothing_of_folds_is_foldable() -> None:
    data = ArrayData(seeds=[0], x=torch.randn(40, 2), y=torch.arange(40) % 2)
    data.setup()
    plain = SimpleNamespace(splits=data.splits, rows=data.rows, items="rows")
    assert make_folds(plain, 3, seed=0).seeds == [0, 1, 2]
    plain.foldable = False
    with pytest.raises(UserError, match=r"^data=SimpleNamespace: folds are of images, not of rows"):
        make_folds(plain, 3, seed=0)
