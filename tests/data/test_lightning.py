"""Data of the user's that knows nothing of dnnx: read or streamed, in an order that no list of seeds changes."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from commands import compose
from omegaconf import OmegaConf
from torchvision.datasets import MNIST, ImageFolder

from dnnx.basics.errors import UserError
from dnnx.data.examples import DatasetSplit
from dnnx.train import train
from dnnx.training.assemble import build_data

OWN = """
import lightning.pytorch as pl
import numpy as np
import torch
from torch.utils.data import (
    BatchSampler, DataLoader, Dataset, DistributedSampler, IterableDataset, RandomSampler, Sampler,
    SequentialSampler, SubsetRandomSampler, WeightedRandomSampler,
)


class Birds(Dataset):
    def __init__(self, n: int = 60, train: bool = True, shift: float = 0.0):
        g = torch.Generator().manual_seed(int(train))
        self.y = torch.arange(n) % 3
        self.x = torch.randn(n, 2, 4, generator=g) + 3 * self.y[:, None, None] + shift

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], int(self.y[i])


class Alone(Dataset):
    def __init__(self, n: int = 60):
        self.birds = Birds(n)

    def __len__(self):
        return len(self.birds)

    def __getitem__(self, i):
        return self.birds[i]


class Random(Birds):
    def __getitem__(self, i):
        return self.x[i] + torch.randn(1) + np.random.rand(), int(self.y[i])


class Unequal(Birds):
    def __getitem__(self, i):
        return self.x[i][:, : 4 - (i == 17)], int(self.y[i])


class FromOne(Birds):
    def __getitem__(self, i):
        return self.x[i], int(self.y[i]) + 1


class Words(Birds):
    def __getitem__(self, i):
        return {"image": self.x[i], "label": int(self.y[i])}


class Broken(Birds):
    def __getitem__(self, i):
        return self.x[i], self.labels[i]


class Module(pl.LightningDataModule):
    def __init__(self, batch_size: int = 6, kind_of_bird: type | None = None):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        self.train, self.val, self.test = Birds(60), Birds(12, train=False), Birds(15, train=False, shift=0.1)

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=5)

    def test_dataloader(self):
        return DataLoader(self.test, batch_size=5)


class Sampled(Module):
    # three parts of one dataset, each by a sampler

    def __init__(self, kind: str = "subset"):
        super().__init__()
        self.kind, self.all = kind, Birds(120)

    def loader(self, begin, end):
        rows = range(begin, end)
        if self.kind == "batches":
            return DataLoader(self.all, batch_sampler=BatchSampler(SubsetRandomSampler(rows), 8, False))
        if self.kind == "own_batches":
            return DataLoader(self.all, batch_sampler=[[*rows]])
        if self.kind == "grouped":
            return DataLoader(self.all, batch_sampler=[[*range(0, 120, 2)], torch.arange(1, 120, 2)])
        if self.kind == "sampled_batches":
            return DataLoader(self.all, batch_size=None, sampler=BatchSampler(RandomSampler(self.all), 8, False))
        made = {
            "subset": lambda: SubsetRandomSampler(rows),
            "repeated_subset": lambda: SubsetRandomSampler([*rows, begin]),
            "ends": lambda: [-1, -2, -3],
            "weighted": lambda: WeightedRandomSampler([1.0] * 120, 30),
            "list": lambda: rows,
            "few": lambda: RandomSampler(self.all, num_samples=30),
            "other": lambda: SequentialSampler(rows),
            "random": lambda: RandomSampler(self.all),
            "replaced": lambda: RandomSampler(self.all, replacement=True),
            "shuffled": lambda: Shuffled(range(120)),
            "part": lambda: Shuffled(rows),
            "whole_list": lambda: range(120),
            "endless": lambda: Forever(120),
            "anew": lambda: Anew(120),
            "names": lambda: ["a", "b"],
            "processes": lambda: DistributedSampler(self.all, num_replicas=1, rank=0),
        }
        return DataLoader(self.all, 8, sampler=made[self.kind]())

    def train_dataloader(self):
        return self.loader(0, 60)

    def val_dataloader(self):
        return self.loader(60, 90)

    def test_dataloader(self):
        return self.loader(90, 120)


class Shuffled(Sampler):
    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return (self.rows[i] for i in torch.randperm(len(self.rows)))

    def __len__(self):
        return len(self.rows)


class Forever(Shuffled):
    def __iter__(self):
        while True:
            yield from range(7)


class Anew(Shuffled):
    def __iter__(self):
        return iter(torch.randperm(self.rows)[:30])


class Endless(Module):
    # its training examples have an order and no index

    def train_dataloader(self):
        return DataLoader(Stream(), batch_size=6)


class Stream(IterableDataset):
    def __iter__(self):
        return iter([Birds()[i] for i in range(60)])


class Turned(Birds):
    # its labels are not its targets

    classes = 3

    @property
    def targets(self):
        return self.y.tolist()

    def __getitem__(self, i):
        return self.x[i], 2 - int(self.y[i])


class Noisy(Turned):
    # one label in a hundred is another one

    def __getitem__(self, i):
        return self.x[i], (int(self.y[i]) + (i % 100 == 50)) % 3


class Named(Birds):
    classes = ("tit", "owl", "jay", "emu")


class NamedParts(Sampled):
    def __init__(self):
        super().__init__()
        self.all = Named(120)


class Doubled(Dataset):
    # it holds another dataset under the name that a DataLoader has for it

    def __init__(self):
        self.dataset = Birds(60)

    def __len__(self):
        return 60

    def __getitem__(self, i):
        return 2 * self.dataset[i][0], self.dataset[i][1]


class Missing(Module):
    def setup(self, stage=None):
        open("absent.csv")


class Untested(Module):
    test_dataloader = pl.LightningDataModule.test_dataloader
"""


@pytest.fixture(autouse=True)
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_data.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("my_data", None)


def own(name: str, seeds: list[int] | None = None, **settings: Any) -> Any:
    config = OmegaConf.create({"data": {"_target_": f"my_data.{name}", **settings}})
    data = build_data(config, seeds or [0, 1])
    data.trainer = SimpleNamespace(current_epoch=0)
    return data


def test_the_loaders_of_a_data_module_become_the_splits() -> None:
    data = own("Module")
    assert (data.sizes, data.in_shape, data.num_classes) == ({"train": 60, "val": 12, "test": 15}, (2, 4), 3)
    assert data.batch_size == 6
    assert "my_data.Module, read into memory once" in data.provenance["note"]
    assert len(data.train_dataloader().batches) == 10


@pytest.mark.parametrize("kind", ["subset", "batches", "list", "part", "own_batches"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_part_that_a_sampler_draws_is_the_split(kind: str, stream: bool) -> None:
    data = own("Sampled", kind=kind, stream=stream)
    assert data.sizes == {"train": 60, "val": 30, "test": 30}
    x, _ = next(iter(data.eval_dataloader("test")))
    assert torch.equal(x, sys.modules["my_data"].Birds(120).x[90:])


@pytest.mark.parametrize("kind", ["random", "processes", "shuffled", "whole_list", "grouped", "sampled_batches"])
def test_a_sampler_of_all_examples_is_the_order_alone(kind: str) -> None:
    data = own("Sampled", kind=kind)
    assert data.sizes == {"train": 120, "val": 120, "test": 120}
    assert torch.equal(next(iter(data.eval_dataloader("test")))[0], sys.modules["my_data"].Birds(120).x)


def test_indices_from_the_end_are_those_from_the_start() -> None:
    x, _ = next(iter(own("Sampled", kind="ends").eval_dataloader("test")))
    assert torch.equal(x, sys.modules["my_data"].Birds(120).x[117:])


@pytest.mark.parametrize("stream", [True, False])
def test_examples_that_a_sampler_draws_keep_the_names_of_their_classes(stream: bool) -> None:
    assert own("NamedParts", stream=stream).class_names == ["tit", "owl", "jay", "emu"]


def test_examples_without_an_index_are_read_in_their_order() -> None:
    assert own("Endless").sizes == {"train": 60, "val": 12, "test": 15}


@pytest.mark.parametrize("stream", [True, False])
def test_labels_are_those_of_the_examples(stream: bool) -> None:
    data = own("Turned", stream=stream)
    for (_, y), (_, same) in zip(data.eval_dataloader("test"), own("Birds").eval_dataloader("test"), strict=True):
        assert torch.equal(y, 2 - same)
    assert data.class_names == ["0", "1", "2"]


def test_a_few_labels_that_are_not_the_targets_are_seen() -> None:
    noisy = importlib.import_module("my_data").Noisy(300)
    assert (DatasetSplit(noisy).targets() != noisy.y).nonzero().flatten().tolist() == [50, 150, 250]


def test_targets_of_torchvision_spare_a_pass_over_the_examples() -> None:
    digits: Any = MNIST.__new__(MNIST)
    digits.data, digits.targets = torch.zeros(9, 2, 2, dtype=torch.uint8), torch.arange(9)
    digits.transform, digits.target_transform = (lambda image: pytest.fail("read")), None
    assert DatasetSplit(digits).targets().tolist() == [*range(9)]
    digits.transform, digits.target_transform = None, (lambda label: label + 1)
    assert DatasetSplit(digits).targets().tolist() == [*range(1, 10)]


def test_the_labels_of_a_folder_are_those_of_its_samples() -> None:
    folder: Any = ImageFolder.__new__(ImageFolder)
    folder.samples, folder.targets, folder.target_transform = [("a.png", 1), ("b.png", 0)], [1, 1], None
    assert DatasetSplit(folder).targets().tolist() == [1, 0]


@pytest.mark.parametrize("targets", [["a"] * 60, {"a": 1}, [None] * 60, [[1], [1, 2]] * 30])
def test_targets_that_are_no_numbers_leave_the_examples_as_they_are(
    targets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    birds = importlib.import_module("my_data").Birds
    monkeypatch.setattr(birds, "targets", targets, raising=False)
    assert own("Birds", stream=True).num_classes == 3
    monkeypatch.setattr(birds.__getitem__, "__module__", "torchvision.datasets")
    assert torch.equal(DatasetSplit(birds()).targets(), birds().y)


def test_a_dataset_that_takes_train_has_its_own_test_set_and_another_is_parted() -> None:
    assert own("Birds").sizes == {"train": 48, "val": 12, "test": 60}
    assert own("Alone").sizes == {"train": 42, "val": 9, "test": 9}
    assert own("Birds", n=30, batch_size=4, standardize=True).batch_size == 4


def test_examples_are_those_of_the_dataset_and_not_of_one_that_it_holds() -> None:
    assert torch.equal(own("Doubled").splits["test"][0], 2 * own("Alone").splits["test"][0])


def test_streamed_batches_are_the_same_for_all_seeds_and_any_list_of_them() -> None:
    data, others = own("Module", stream=True), own("Module", [5], stream=True)
    for (x, y), (same, _) in zip(data.train_dataloader().batches, others.train_dataloader().batches, strict=True):
        assert (x.shape, y.shape) == ((2, 6, 2, 4), (2, 6))
        assert torch.equal(x[0], x[1])
        assert torch.equal(x[:1], same)
    assert "streamed in one order for all seeds by data.order_seed=0" in data.provenance["note"]
    first = next(iter(data.train_dataloader().batches))[0]
    data.trainer.current_epoch = 1
    assert not torch.equal(first, next(iter(data.train_dataloader().batches))[0])
    other = own("Module", stream=True, order_seed=1)
    assert not torch.equal(first, next(iter(other.train_dataloader().batches))[0])


def test_streamed_and_read_splits_hold_the_same_examples() -> None:
    read, streamed = own("Module"), own("Module", stream=True)
    for split in ("train", "val", "test"):
        for (x, y), (same, labels) in zip(read.eval_dataloader(split), streamed.eval_dataloader(split), strict=True):
            assert torch.equal(x, same)
            assert torch.equal(y, labels)


def test_data_is_streamed_by_itself_where_it_does_not_fit() -> None:
    assert "read into memory" in own("Module", memory_mb=1).provenance["note"]
    assert "streamed" in own("Module", memory_mb=0.001).provenance["note"]
    assert "read into memory" in own("Module", memory_mb=0.001, stream=False).provenance["note"]


@pytest.mark.parametrize("stream", [True, False])
def test_random_transforms_follow_the_order_seed_alone(stream: bool) -> None:
    def first(**settings: Any) -> torch.Tensor:
        torch.rand(3)
        return next(iter(own("Random", stream=stream, **settings).eval_dataloader("train")))[0]

    assert torch.equal(first(), first())
    assert not torch.equal(first(), first(order_seed=1))


def test_streamed_batches_carry_class_weights() -> None:
    data = own("Module", stream=True, class_weights=[1, 2, 3])
    for _, y, w in data.train_dataloader().batches:
        assert torch.equal(w, y + 1.0)


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("Unequal", {}, r"example \d+ has the shape \(2, 3\), example 0 \(2, 4\); all need the same shape"),
        ("FromOne", {}, r"labels must be 0 to 2, found 1, 2, 3"),
        ("Words", {}, r"an example must be a pair \(x, y\); example 0 is a dict with image, label"),
        ("Broken", {}, r"AttributeError: .*labels.*"),
        (
            "Sampled",
            {"kind": "weighted"},
            r"train_dataloader has a WeightedRandomSampler, .* type data\.class_weights=bal",
        ),
        ("Sampled", {"kind": "few"}, r"train_dataloader has a RandomSampler, which does not draw every .* as a Subset"),
        ("Sampled", {"kind": "replaced"}, r"train_dataloader has a RandomSampler, which does not draw every example"),
        ("Sampled", {"kind": "other"}, r"train_dataloader has a SequentialSampler, which does not draw every example"),
        ("Sampled", {"kind": "repeated_subset"}, r"train_dataloader has a SubsetRandomSampler, which repeats examples"),
        (
            "Sampled",
            {"kind": "endless"},
            r"train_dataloader has a Forever, which repeats examples; give .* as a Subset",
        ),
        ("Sampled", {"kind": "anew"}, r"train_dataloader has a Anew, which draws other examples in each epoch; give"),
        ("Sampled", {"kind": "names"}, r"train_dataloader has a list, which draws no whole numbers; give"),
        ("Missing", {}, r"data: FileNotFoundError: .*absent\.csv'\n  .*my_data\.py, line \d+: open\(\"absent\.csv\"\)"),
        ("Untested", {}, r"Untested has no test_dataloader; a test set is needed"),
        ("Birds", {"stream": "maybe"}, r"data\.stream=maybe: choose one of auto, true, false"),
        ("Birds", {"stream": True, "standardize": True}, r"data\.standardize=True: not for streamed data"),
        ("Birds", {"m": 3}, r"data\.m: there is no such key"),
        ("Birds", {"train": False}, r"data\.train=False: it is set by the run itself"),
    ],
)
def test_a_mistake_is_one_message(name: str, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        own(name, **settings)


def test_streamed_examples_are_nowhere_as_a_whole() -> None:
    with pytest.raises(UserError, match=r"it is streamed.*type data\.stream=false"):
        own("Module", stream=True).splits["train"]


@pytest.mark.parametrize("stream", ["true", "false"])
def test_a_run_of_one_seed_is_that_seed_of_the_run_of_two(stream: str, tmp_path: Path) -> None:
    def run(seeds: str) -> dict[str, list]:
        cfg = compose("net.hidden=[8]", f"seeds={seeds}", "trainer.max_epochs=30", "optimizer.lr=3e-2",
                      "callbacks.progress._target_=lightning.pytorch.Callback")  # fmt: skip
        cfg.data = {"_target_": "my_data.Module", "stream": stream == "true"}
        return train(cfg, tmp_path / seeds)

    among, alone = run("[3,7]"), run("[7]")
    assert among["test/loss"][1] == pytest.approx(alone["test/loss"][0], rel=1e-3)
    assert min(among["test/accuracy"]) > 0.5
