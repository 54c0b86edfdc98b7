"""Arrays that are given from Python are kept in a file that is named by all of their content."""

import errno
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from dnnx.basics.errors import UserError
from dnnx.data.given import kept
from dnnx.data.lightning import wrap

X, Y = torch.arange(24.0).view(12, 2), torch.arange(12) % 2


class Module(pl.LightningDataModule):
    """The same examples for training and testing, without a loader for validation."""

    def __init__(self, data: Any = None, **loader: Any):
        super().__init__()
        self.data, self.loader = TensorDataset(X, Y) if data is None else data, loader

    def train_dataloader(self) -> Any:
        return DataLoader(self.data, 5, shuffle=True, **self.loader)

    def test_dataloader(self) -> Any:
        return DataLoader(self.data, 5)


class Untested(Module):
    def test_dataloader(self) -> Any:
        return None


class Lost(Module):
    def setup(self, stage: str) -> None:
        Path("absent.csv").read_text()


class OneStage(Module):
    """A module that keeps the data of one stage alone."""

    def setup(self, stage: str) -> None:
        self.data = TensorDataset(X + (100 if stage == "test" else 0), Y)


class Divided(Module):
    """A module that divides its examples at random, in each stage again."""

    def setup(self, stage: str) -> None:
        self.parts = torch.utils.data.random_split(TensorDataset(X, Y), [8, 4])

    def train_dataloader(self) -> Any:
        return DataLoader(self.parts[0], 4)

    def test_dataloader(self) -> Any:
        return DataLoader(self.parts[1], 4)


class Loaded(Module):
    """A module whose training loader is any object."""

    def __init__(self, loader: Any):
        super().__init__()
        self.own = loader

    def train_dataloader(self) -> Any:
        return self.own


class Batches:
    """Batches of five by iteration alone."""

    def __iter__(self) -> Any:
        return zip(X.split(5), Y.split(5), strict=True)


class CountedBatches(Batches):
    dataset = "of another kind"

    def __len__(self) -> int:
        return 3


class Items(IterableDataset):
    def __init__(self, items: Any):
        self.items = items

    def __iter__(self) -> Any:
        return iter(self.items)


class Listed(Dataset):
    def __init__(self, examples: list[Any]):
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Any:
        return self.examples[index]


def arrays(data: Any, folder: Path) -> dict[str, np.ndarray]:
    found = np.load(kept(data, folder))
    return {name: found[name] for name in found.files}


def test_equal_bytes_of_another_shape_or_type_are_other_data(tmp_path: Path) -> None:
    x, y = np.zeros((6, 4), dtype=np.float32), np.array([0, 1, 0, 1, 0, 1])
    files = {kept((given, y), tmp_path) for given in (x, x.reshape(6, 1, 2, 2), x.view(np.int32))}
    assert len(files) == 3
    assert np.load(kept((x.reshape(6, 1, 2, 2), y), tmp_path))["x"].shape == (6, 1, 2, 2)


def test_equal_data_are_kept_once(tmp_path: Path) -> None:
    x, y = np.zeros((6, 4)), np.arange(6)
    assert kept((x, y), tmp_path) == kept((x.copy(), y.copy()), tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_file_that_was_not_written_whole_is_not_there(
    stop: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = np.zeros((6, 4)), np.arange(6)
    plain = np.lib.format.write_array

    def stops(file: Any, array: np.ndarray, **options: Any) -> None:
        if array is y:
            raise stop
        plain(file, array, **options)

    with monkeypatch.context() as patch:
        patch.setattr(np.lib.format, "write_array", stops)
        with pytest.raises(type(stop)):
            kept((x, y), tmp_path)
    assert not list(tmp_path.iterdir())
    assert np.load(kept((x, y), tmp_path))["y"].tolist() == [*range(6)]


def test_a_data_module_is_read_as_its_class_is(tmp_path: Path) -> None:
    found = arrays(Module(drop_last=True), tmp_path)
    assert set(found) == {"x_train", "y_train", "x_test", "y_test"}  # validation is drawn
    assert np.array_equal(found["x_train"], X)
    whole = TensorDataset(X, Y)
    made = pl.LightningDataModule.from_datasets(whole, whole, whole, batch_size=5)
    assert np.array_equal(arrays(made, tmp_path)["x_val"], X)
    gradients = Module(TensorDataset(X.clone().requires_grad_(), Y))
    assert np.array_equal(arrays(gradients, tmp_path)["x_test"], X)
    lists = Module(Listed([([1, 2], 0), ([3, 4], 1)]))
    assert arrays(lists, tmp_path)["x_train"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "loader",
    [
        Batches(),
        CountedBatches(),
        iter(Batches()),
        DataLoader(TensorDataset(X, Y), batch_size=None),
        DataLoader(TensorDataset(X, Y), batch_size=None, collate_fn=lambda item: [*item]),
        DataLoader(Listed([(x.numpy(), y.item()) for x, y in zip(X, Y, strict=True)]), batch_size=None),
        DataLoader(Items([*zip(X, Y, strict=True)]), batch_size=None),
        DataLoader(Items([*zip(X, Y, strict=True)]), batch_size=4),
        TensorDataset(X, Y),
        Subset(TensorDataset(torch.cat([X, X]), torch.cat([Y, Y])), range(12)),
    ],
)
def test_a_loader_of_any_kind_gives_its_examples(loader: Any, tmp_path: Path) -> None:
    found = arrays(Loaded(loader), tmp_path)
    assert np.array_equal(found["x_train"], X)
    assert np.array_equal(found["y_train"], Y)


@pytest.mark.parametrize(
    ("loader", "says"),
    [
        (DataLoader(Items(Batches()), batch_size=None), r"gives x \(5, 2\) with y \(5,\), which may be a batch or one"),
        (Items(Batches()), r"gives x \(5, 2\) with y \(5,\), which may be a batch or one example; give a DataLoader"),
        (DataLoader(Listed([*Batches()]), batch_size=None), r"gives x \(5, 2\) with y \(5,\), which may be a batch"),
        (zip(X, Y, strict=True), r"batch 0 has x \(2,\) and y \(\), not x \[B, .*; a torch DataLoader is needed"),
        (zip(X.split(5), Y.split(4), strict=False), r"batch 0 has x \(5, 2\) and y \(4,\), not x"),
        (iter(()), r"train_dataloader gives no example"),
        (5, r"train_dataloader gives a int; a torch DataLoader is needed"),
    ],
)
def test_a_loader_that_may_be_misread_is_one_line(loader: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^data: train_dataloader.*{says}" if "train" not in says else says):
        kept(Loaded(loader), tmp_path)


def test_the_loaders_of_a_stage_are_read_as_that_stage_sets_them_up(tmp_path: Path) -> None:
    found = arrays(OneStage(), tmp_path)
    assert np.array_equal(found["x_train"] + 100, found["x_test"])
    divided = arrays(Divided(), tmp_path)
    assert sorted([*divided["x_train"][:, 0], *divided["x_test"][:, 0]]) == X[:, 0].tolist()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            (X, Y, Y),
            r"^data=a tuple of 3: give \(x \[N, \.\.\.\], y \[N\]\); weights are typed: data\.class_weights=bal",
        ),
        ((X,), r"^data=a tuple of 1: give \(x"),
        ((X, [[1], [2, 3]]), r"^data: y is no array of numbers \("),
        (
            (X, pd.Series(["a", "b"] * 6, dtype=object)),
            r"^data: y holds object, such as 'a', and not numbers; give num",
        ),
        (
            (X, np.array(["a", "b"] * 6)),
            r"^data: y holds <U1, such as 'a', and not.*numpy\.unique\(y, return_inverse",
        ),
        ((np.array([[1.5, None]]), [0]), r"^data: x holds object, such as None, and not numbers"),
        (
            (pd.DataFrame({"a": [1.5], "b": [True]}), [0]),
            r"^data: x holds object and not .* example x\.astype\(float\)",
        ),
        (Untested(), r"^data: Untested has no test_dataloader; a test set is needed"),
        (Lost(), r"^data: FileNotFoundError: .*absent\.csv"),
        (
            Module(Listed([{"x": 1, "y": 0}])),
            r"^data: an example must be a pair \(x, y\); example 0 is a dict with x, y",
        ),
        (Module(Listed([([1, 2], 0), ([3], 0)])), r"^data: example 1 has the shape \(1,\), example 0 \(2,\); all need"),
        (Module(Listed([([1, [2]], 0)])), r"^data: example 0 holds a list; tensors, arrays"),
    ],
)
def test_a_mistake_is_one_line(data: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=says):
        kept(data, tmp_path)
    assert not list(tmp_path.iterdir())


def test_arrays_that_are_never_read_may_hold_anything(tmp_path: Path) -> None:
    found = arrays(
        {"x": X, "y": Y, "class_names": np.array(["a", "b"]), "who": [None], "ragged": [[1], [1, 2]]}, tmp_path
    )
    assert set(found) == {"x", "y", "class_names"}
    with pytest.raises(UserError, match=r"^data: y_val holds <U1, such as 'a', and not numbers"):
        kept({"x_train": X, "y_train": Y, "y_val": np.array(["a"])}, tmp_path)


def test_a_data_module_without_an_example_is_one_line(tmp_path: Path) -> None:
    class Empty(Module):
        def train_dataloader(self) -> Any:
            return DataLoader(TensorDataset(X[:0], Y[:0]), 5)

    with pytest.raises(UserError, match=r"^data: train_dataloader gives no example"):
        kept(Empty(), tmp_path)


def test_a_module_and_its_class_give_the_same_examples(tmp_path: Path) -> None:
    found, data = arrays(Divided(), tmp_path), wrap(Divided(), None, [0])
    data.setup()
    torch.testing.assert_close(data.splits["test"][0], torch.from_numpy(found["x_test"]))
