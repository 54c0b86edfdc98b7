"""The digits 5-9: few images of each, drawn per seed from the training set alone, and all test images."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_up_mnist import idx_bytes

from dnnx.basics.errors import UserError
from dnnx.data.digits import Digits, draw
from dnnx.data.read_idx import read_idx

Make = Callable[..., Path]


def set_up(root: Path, seeds: list[int], source: str = "mnist", **sizes: Any) -> Digits:
    sizes = {"train_per_class": 100, "val_per_class": 30} | sizes
    data = Digits(seeds=seeds, root=str(root), source=source, classes=range(5, 10), **sizes)
    data.setup()
    return data


def test_the_real_splits_have_the_known_sizes_and_labels(mnist_root: Path) -> None:
    data = set_up(mnist_root, [0, 1])
    assert data.sizes == {"train": 500, "val": 150, "test": 4_861}
    assert data.splits["test"][1].bincount().tolist() == [892, 958, 1028, 974, 1009]
    assert data.class_names == ["5", "6", "7", "8", "9"]
    for split, n in (("train", 100), ("val", 30)):
        for rows in data.rows[split]:
            assert data.splits[split][1][rows].bincount().tolist() == [n] * 5


def test_images_are_of_the_training_set_and_labels_5_to_9_become_0_to_4(tiny_mnist: Make) -> None:
    root = tiny_mnist()
    data = set_up(root, [0, 1, 2], train_per_class=7, val_per_class=3)
    for split, stem, n in (("train", "train", 7), ("val", "train", 3), ("test", "t10k", 10)):
        images = read_idx(root / f"MNIST/raw/{stem}-images-idx3-ubyte", 3)
        labels = read_idx(root / f"MNIST/raw/{stem}-labels-idx1-ubyte", 1)
        of_image = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
        x, y = data.splits[split]
        for rows in data.rows.get(split, torch.arange(len(y))[None]):
            pixels = (x[rows] * 255).round().to(torch.uint8).numpy()
            assert [of_image[image.tobytes()] for image in pixels] == (y[rows] + 5).tolist()
            assert y[rows].bincount().tolist() == [n] * 5


def test_images_that_each_seed_parts_for_itself_are_standardized_once_and_held_once(tmp_path: Path) -> None:
    plain, scaled = (set_up(tmp_path, [0], "digits", train_per_class=7, standardize=on) for on in (False, True))
    x = plain.splits["train"][0]
    expected = (x - x.mean(0)) / torch.where(x.std(0) > 0, x.std(0, correction=0), 1)
    for split in ("train", "val"):
        assert torch.allclose(scaled.splits[split][0], expected, atol=1e-5), split
    assert scaled.splits["train"][0].data_ptr() == scaled.splits["val"][0].data_ptr()


def test_training_and_validation_images_are_disjoint_even_when_all_are_used(tiny_mnist: Make) -> None:
    data = set_up(tiny_mnist(), [0, 1], train_per_class=478, val_per_class=30)
    for used in torch.cat([data.rows["train"], data.rows["val"]], dim=1):
        assert len(used.unique()) == len(used) == 5 * 508


def test_all_images_outside_validation_can_be_training_images(tiny_mnist: Make) -> None:
    data, few = (set_up(tiny_mnist(), [0, 1], train_per_class=n) for n in (None, 100))
    assert torch.equal(data.rows["val"], few.rows["val"])
    for r in range(2):
        used = torch.cat([data.rows["train"][r], data.rows["val"][r]])
        assert sorted(used.tolist()) == list(range(len(data.splits["train"][1])))


def test_fewer_training_images_are_among_the_more_and_validation_stays(tiny_mnist: Make) -> None:
    few, more = (set_up(tiny_mnist(), [0, 1], train_per_class=n) for n in (10, 100))
    assert torch.equal(few.rows["val"], more.rows["val"])
    for r in range(2):
        assert set(few.rows["train"][r].tolist()) < set(more.rows["train"][r].tolist())


def test_a_seeds_images_do_not_depend_on_its_neighbours(tiny_mnist: Make) -> None:
    among, alone = set_up(tiny_mnist(), [4, 0, 9]), set_up(tiny_mnist(), [9])
    for split in ("train", "val"):
        assert torch.equal(among.rows[split][2:], alone.rows[split])
        assert not torch.equal(among.rows[split][0], among.rows[split][1])


def test_batches_are_each_seeds_own_images(tiny_mnist: Make) -> None:
    data = set_up(tiny_mnist(), [0, 1], train_per_class=8, val_per_class=4, batch_size=10)
    data.trainer = SimpleNamespace(current_epoch=0)  # type: ignore[assignment]
    for split, batches in (("train", data.train_dataloader().batches), ("val", data.val_dataloader())):
        x, y = (torch.cat(parts, dim=1) for parts in zip(*batches, strict=True))
        for r, rows in enumerate(data.rows[split]):
            expected = {
                (*image.flatten().tolist(), int(label)) for image, label in zip(*of(data, split, rows), strict=True)
            }
            seen = [(*image.flatten().tolist(), int(label)) for image, label in zip(x[r], y[r], strict=True)]
            assert len(seen) == len(rows)
            assert set(seen) == expected


def of(data: Digits, split: str, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = data.splits[split]
    return x[rows], y[rows]


@given(st.integers(0, 2**40), st.lists(st.integers(3, 9), min_size=2, max_size=5))
def test_a_draw_takes_as_many_of_each_class_as_the_rarest_has_without_repetition(seed: int, counts: list[int]) -> None:
    y = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    rows = draw(y, seed)
    assert rows.shape == (len(counts), min(counts))
    assert all((y[of_class] == label).all() for label, of_class in enumerate(rows))
    assert len(rows.unique()) == rows.numel()


def test_every_image_is_equally_likely_to_be_drawn_first() -> None:
    first = torch.stack([draw(torch.zeros(5, dtype=torch.int64), seed)[0, 0] for seed in range(1000)])
    expected = len(first) / 5
    chi_square = ((first.bincount(minlength=5) - expected) ** 2 / expected).sum().item()
    assert chi_square < 18.5  # the 99.9th percentile with 4 degrees of freedom


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        (
            {"train_per_class": 479},
            r"data\.train_per_class=479: a whole number from 1 to the 478 that there are of each",
        ),
        ({"train_per_class": 0}, r"data\.train_per_class=0"),
        ({"train_per_class": 2.5}, r"data\.train_per_class=2\.5"),
        ({"train_per_class": "all"}, r"data\.train_per_class=all"),
        ({"val_per_class": 520}, r"data\.val_per_class=520: a whole number from 1 to the 507"),
        ({"val_per_class": 0}, r"data\.val_per_class=0"),
    ],
)
def test_more_images_than_exist_is_a_one_line_error_with_its_key(
    tiny_mnist: Make, sizes: dict[str, Any], says: str
) -> None:
    with pytest.raises(UserError, match=says) as error:
        set_up(tiny_mnist(), [0], **sizes)
    assert "\n" not in str(error.value)


def test_a_batch_is_of_a_seeds_own_images(tiny_mnist: Make) -> None:
    with pytest.raises(UserError, match=r"data\.batch_size=501: a whole number from 1 to the 500 training images"):
        set_up(tiny_mnist(), [0], batch_size=501).check_batch_size(1)


def test_a_training_set_without_one_of_the_digits_is_refused(tiny_mnist: Make) -> None:
    labels = np.arange(5200, dtype=np.uint8) % 9
    with pytest.raises(UserError, match="must each hold all of the classes 5, 6, 7, 8, 9"):
        set_up(tiny_mnist(train_labels_idx1_ubyte=idx_bytes(labels)), [0])


def test_to_moves_the_rows_with_the_images(tiny_mnist: Make, device: torch.device) -> None:
    data = set_up(tiny_mnist(), [0])
    data.to(device)
    assert {rows.device.type for rows in data.rows.values()} == {device.type}
    assert next(iter(data.eval_dataloader("val")))[0].device.type == device.type


def test_the_bundled_digits_have_few_images_too(tmp_path: Path) -> None:
    data = set_up(tmp_path, [0], "digits", train_per_class=10, val_per_class=5)
    assert data.sizes["train"] == 50
    assert data.in_shape == (1, 8, 8)
