"""The digits 0-4: sizes, label counts, scaling, provenance, and refused settings."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from made_up_mnist import idx_bytes

from dnnx.basics.errors import UserError
from dnnx.data import images
from dnnx.data.digits import Digits
from dnnx.data.loaders import Chunks
from dnnx.data.read_idx import read_idx

Make = Callable[..., Path]


def zero_to_four(**arguments: Any) -> Digits:
    return Digits(classes=range(5), **arguments)


def set_up(root: Path, source: str = "mnist", batch_size: int = 32) -> Digits:
    data = zero_to_four(seeds=[0, 1], root=str(root), source=source, batch_size=batch_size)
    data.setup()
    return data


def test_the_real_splits_have_the_known_sizes_and_labels(mnist_root: Path) -> None:
    data = set_up(mnist_root)
    assert {name: len(y) for name, (_, y) in data.splits.items()} == {"train": 28_038, "val": 2_558, "test": 5_139}
    assert {name: y.bincount().tolist() for name, (_, y) in data.splits.items()} == {
        "train": [5444, 6179, 5470, 5638, 5307],
        "val": [479, 563, 488, 493, 535],
        "test": [980, 1135, 1032, 1010, 982],
    }
    assert data.in_shape == (1, 28, 28)
    assert (data.num_classes, data.class_names) == (5, ["0", "1", "2", "3", "4"])


def test_validation_is_the_first_5000_training_images(tiny_mnist: Make) -> None:
    root = tiny_mnist()
    images = read_idx(root / "MNIST/raw/train-images-idx3-ubyte", 3)
    labels = read_idx(root / "MNIST/raw/train-labels-idx1-ubyte", 1)
    splits = set_up(root).splits
    for name, part in (("val", slice(5000)), ("train", slice(5000, None))):
        chosen = images[part][labels[part] < 5][:, None]
        torch.testing.assert_close(splits[name][0], torch.from_numpy(chosen / np.float32(255)))
        assert splits[name][1].tolist() == labels[part][labels[part] < 5].tolist()


def test_pixels_are_float32_from_0_to_1_and_labels_int64(tiny_mnist: Make) -> None:
    for x, y in set_up(tiny_mnist()).splits.values():
        assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
        assert 0 <= x.min() < 0.1
        assert 0.9 < x.max() <= 1
        assert x.is_contiguous()


def test_digits_have_every_class_in_every_split(tmp_path: Path) -> None:
    data = set_up(tmp_path, "digits")
    assert {name: len(y) for name, (_, y) in data.splits.items()} == {"train": 633, "val": 88, "test": 180}
    assert all(len(y.unique()) == 5 for _, y in data.splits.values())
    assert data.in_shape == (1, 8, 8)


def test_provenance_says_where_the_data_is_from(tiny_mnist: Make, tmp_path: Path) -> None:
    provenance = set_up(tiny_mnist()).provenance
    assert provenance["source"] == "mnist"
    assert len(provenance["files"]) == 4
    assert set_up(tmp_path, "digits").provenance["files"] == {}


@pytest.mark.parametrize("batch_size", [0, -1, 101, 1.5, "32", None])
def test_a_bad_batch_size_is_refused_with_the_range(tiny_mnist: Make, batch_size: int) -> None:
    data = set_up(tiny_mnist(), batch_size=batch_size)
    with pytest.raises(UserError, match=rf"data\.batch_size={batch_size}: a whole number from 1 to the 100 training"):
        data.check_batch_size(1)


def test_batch_norm_has_a_least_batch_size(tiny_mnist: Make) -> None:
    data = set_up(tiny_mnist(), batch_size=1)
    data.check_batch_size(1)
    with pytest.raises(UserError, match=r"data\.batch_size=1: a whole number from 2 to the 100 training images"):
        data.check_batch_size(2)


def test_the_whole_training_set_can_be_one_batch(tiny_mnist: Make) -> None:
    data = set_up(tiny_mnist(), batch_size=100)
    data.trainer = SimpleNamespace(current_epoch=0)  # type: ignore[assignment]
    assert [x.shape for chunk in data.train_dataloader() for x, _ in chunk] == [(2, 100, 1, 2, 2)]


def test_a_split_without_one_of_the_digits_is_refused(tiny_mnist: Make) -> None:
    no_fours = np.arange(100, dtype=np.uint8) % 4
    with pytest.raises(UserError, match="must each hold all of the classes 0, 1, 2, 3, 4"):
        set_up(tiny_mnist(t10k_labels_idx1_ubyte=idx_bytes(no_fours)))


def test_to_moves_every_split(tiny_mnist: Make, device: torch.device) -> None:
    data = set_up(tiny_mnist())
    data.to(device)
    assert {tensor.device.type for pair in data.splits.values() for tensor in pair} == {device.type}


def test_the_order_follows_the_trainers_epoch(tiny_mnist: Make) -> None:
    data = set_up(tiny_mnist(), batch_size=100)
    data.trainer = SimpleNamespace(current_epoch=0)  # type: ignore[assignment]
    batches = data.train_dataloader()
    first, again = (first_image(batches) for _ in range(2))
    data.trainer.current_epoch = 1  # type: ignore[misc, union-attr]
    assert torch.equal(first, again)
    assert not torch.equal(first, first_image(batches))


def first_image(chunks: Chunks) -> torch.Tensor:
    return next(next(iter(chunks)))[0]


def test_setup_reads_once(tiny_mnist: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    data = set_up(tiny_mnist())
    monkeypatch.setattr(images, "load", None)
    data.setup("fit")


def test_batches_are_cut_from_the_one_copy_of_a_split(tiny_mnist: Make) -> None:
    data = set_up(tiny_mnist())
    data.trainer = SimpleNamespace(current_epoch=0)  # type: ignore[assignment]
    assert data.train_dataloader().batches.x is data.splits["train"][0]
    storage = data.splits["test"][0].untyped_storage().data_ptr()
    assert {x.untyped_storage().data_ptr() for x, _ in data.eval_dataloader("test")} == {storage}


# --- few training images


def few(root: Path, n: int, *seeds: int) -> Digits:
    data = zero_to_four(seeds=seeds, root=str(root), source="mnist", batch_size=4, train_size=n)
    data.setup()
    return data


def test_each_seed_draws_its_own_training_images_and_fewer_are_among_the_more(tiny_mnist: Make) -> None:
    root = tiny_mnist()
    rows = few(root, 20, 3, 7).rows["train"]
    assert rows.shape == (2, 20)
    assert all(len(own.unique()) == 20 for own in rows)
    assert set(rows[0].tolist()) != set(rows[1].tolist())
    assert torch.equal(few(root, 20, 7).rows["train"][0], rows[1]), "whatever other seeds there are"
    assert torch.equal(few(root, 8, 3, 7).rows["train"], rows[:, :8])
    assert few(root, 20, 3).sizes == {**set_up(root).sizes, "train": 20}


@pytest.mark.parametrize("n", [0, 101, 1.5, "all"])
def test_more_training_images_than_exist_is_a_one_line_error(tiny_mnist: Make, n: int) -> None:
    with pytest.raises(UserError, match=rf"data\.train_size={n}: a whole number from 1 to 100, the training examples"):
        few(tiny_mnist(), n, 0)
