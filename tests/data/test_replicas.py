"""The data of replicas that leave: the others keep their seeds, rows and features, and all come back after training."""

import torch

from dnnx.data.replicas import OfReplicas


def data() -> OfReplicas:
    """Return the data of three replicas with four rows each of twenty, and features of them."""
    made = OfReplicas()
    made.seeds = [7, 8, 9]
    made.rows = {"train": torch.arange(12).view(3, 4), "val": 12 + torch.arange(6).view(3, 2)}
    x = torch.arange(12.0)[:, None]
    made.features = {"train": (x, torch.arange(12) % 5, torch.arange(12).view(3, 4))}
    return made


def test_the_others_keep_their_seeds_rows_and_features() -> None:
    some = data()
    some.keep([0, 2])
    assert some.seeds == [7, 9]
    assert {split: rows.tolist() for split, rows in some.rows.items()} == {
        "train": [[0, 1, 2, 3], [8, 9, 10, 11]], "val": [[12, 13], [16, 17]],
    }  # fmt: skip
    x, y, rows = some.features["train"]
    assert x[rows][..., 0].tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert y[rows].tolist() == [[0, 1, 2, 3], [3, 4, 0, 1]]
    assert rows.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]], "no more memory than they need"


def test_all_come_back_however_often_some_left() -> None:
    some = data()
    some.keep([0, 2])
    some.keep([1])
    assert some.seeds == [9]
    assert some.features["train"][0][:, 0].tolist() == [8, 9, 10, 11]
    some.rejoin()
    assert some.seeds == [7, 8, 9]
    assert torch.equal(some.rows["train"], torch.arange(12).view(3, 4))
    assert some.features == {}, "those of all replicas are gone"
    some.keep([1])
    assert some.seeds == [8], "and they may leave again"


def test_data_that_nobody_left_stays_as_it_is() -> None:
    whole = data()
    whole.rejoin()
    assert whole.seeds == [7, 8, 9]
    assert set(whole.features) == {"train"}
