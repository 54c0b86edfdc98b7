"""Repeated folds: every row is tested once in each round, scales come from training rows, no row is in two parts."""

from pathlib import Path
from typing import Any

import pytest
import torch

from dnnx.basics.errors import UserError
from dnnx.data.table import Table


def table(folder: Path, seeds: list[int], n: int = 60, rare: int = 2, **settings: Any) -> Table:
    lines = [f"{i},{i * i % 17},{'big' if i % rare else 'small'}" for i in range(n)]
    (folder / "x.csv").write_text("\n".join(["a,b,size", *lines]) + "\n")
    given: dict[str, Any] = {
        "file": str(folder / "x.csv"),
        "target": "size",
        "folds": 4,
        "standardize": False,
    } | settings
    data = Table(seeds=seeds, **given)
    data.setup()
    return data


def rows_of(data: Table, split: str, r: int) -> set[int]:
    return {int(i) for i in data.splits[split][0][data.rows[split][r], 0]}


def test_four_seeds_test_every_row_once(tmp_path: Path) -> None:
    data = table(tmp_path, list(range(8)))
    for first in (0, 4):
        tested = [rows_of(data, "test", r) for r in range(first, first + 4)]
        assert sorted(i for own in tested for i in own) == list(range(60))
    assert rows_of(data, "test", 0) != rows_of(data, "test", 4), "the second round divides anew"


def test_no_row_is_in_two_parts_of_a_seed(tmp_path: Path) -> None:
    data = table(tmp_path, [0, 5])
    for r in range(2):
        parts = [rows_of(data, split, r) for split in ("train", "val", "test")]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 60


def test_a_seed_among_others_has_the_rows_that_it_has_alone(tmp_path: Path) -> None:
    many, alone = table(tmp_path, [0, 1, 2, 3]), table(tmp_path, [2])
    for split in ("train", "val", "test"):
        assert rows_of(many, split, 2) == rows_of(alone, split, 0)


def test_each_fold_is_scaled_by_its_own_training_rows(tmp_path: Path) -> None:
    data = table(tmp_path, [0, 1], standardize=True)
    for r in range(2):
        x = data.splits["train"][0][data.rows["train"][r]]
        torch.testing.assert_close(x.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    assert data.splits["test"][0].mean(0).abs().max() > 1e-3


def test_folds_are_stratified(tmp_path: Path) -> None:
    data = table(tmp_path, [0, 1, 2, 3], rare=5)
    y = data.splits["test"][1][data.rows["test"]]
    assert y.sum(1).tolist() == [3, 3, 3, 3]


def test_several_repeats_test_every_row_and_none_leaves_out_rows_of_one_class_alone(tmp_path: Path) -> None:
    data = table(tmp_path, list(range(20)), n=63)  # 5 repeats of 4 folds, which leave out 3 rows
    left = []
    for first in range(0, 20, 4):
        tested = set.union(*(rows_of(data, "test", r) for r in range(first, first + 4)))
        left.append(set(range(63)) - tested)
    assert [len(rows) for rows in left] == [3] * 5
    assert not set.intersection(*left), "a row is never tested"
    assert all(len({i % 2 for i in rows}) == 2 for rows in left), "all rows left out are of one class"


def test_the_line_about_the_data_says_how_many_rows_a_repeat_leaves_out(tmp_path: Path) -> None:
    told = table(tmp_path, [0], n=63).provenance["note"]
    assert told.endswith("each repeat tests 60 rows and leaves out 3, others each time")
    assert table(tmp_path, [0]).provenance["note"].endswith("each repeat tests every row")


def test_scaling_by_all_rows_is_another_one(tmp_path: Path) -> None:
    inside, outside = table(tmp_path, [0], standardize=True), table(tmp_path, [0], scale_all=True)
    assert not torch.allclose(inside.splits["train"][0], outside.splits["train"][0])
    whole = torch.cat([x for x, _ in outside.splits.values()])
    torch.testing.assert_close(whole.mean(0), torch.zeros(2), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"folds": 1}, r"data\.folds=1: it must be null or a whole number from 2 to 30, half of the rows; type"),
        ({"rare": 20}, r"data\.folds=4: class small has 3 rows; type data\.folds=3 or fewer"),
        ({"train_size": 5}, r"data\.folds=4: not beside \['train_size'\]"),
        ({"scale_all": True, "standardize": True}, r"data\.scale_all=True: it would have no effect"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        table(tmp_path, [0], **settings)


def test_two_folds_are_the_fewest_and_half_of_the_rows_the_most(tmp_path: Path) -> None:
    assert table(tmp_path, [0, 1], folds=2).sizes["test"] == 30
    assert table(tmp_path, [0], folds=30).sizes["test"] == 2
    with pytest.raises(UserError, match=r"data\.folds=31: it must be null or a whole number from 2 to 30"):
        table(tmp_path, [0], folds=31)
