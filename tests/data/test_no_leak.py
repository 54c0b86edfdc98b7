"""Every data module of conf/data/: an image is in one split alone, and has the label that it came with."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from commands import compose
from torch import Tensor

from dnnx.config.paths import CONF
from dnnx.data import images
from dnnx.data.folds import make_folds
from dnnx.data.sources import Source
from dnnx.training.assemble import build_data

NAMES = [path.stem for path in sorted((CONF / "data").glob("*.yaml")) if "source:" in path.read_text()]
SPLITS = ("train", "val", "test")


def telling_images() -> Source:
    """Of 2 x 2 pixels: the number of the image in two bytes, its label, and whether it is a test image."""
    n, num_test = 2200, 300
    number, label = np.arange(n + num_test), (7 * np.arange(n + num_test)) % 10
    pixels = np.stack([number // 256, number % 256, label, number >= n], 1).astype(np.uint8).reshape(-1, 1, 2, 2)
    labels, names = label.astype(np.uint8), [f"class {i}" for i in range(10)]
    return Source("digits", pixels[:n], labels[:n], pixels[n:], labels[n:], num_val=200, class_names=names, note="")


@pytest.fixture(params=NAMES)
def data(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(images, "load", lambda *_: telling_images())
    cfg = compose(f"data={request.param}")
    cfg.data = {key: False if key == "standardize" else value for key, value in cfg.data.items()}
    return build_data(cfg, [0, 1, 2])


def pixels(x: Tensor) -> Tensor:
    return (x * 255).round().long().flatten(-3)


def numbers(x: Tensor) -> set[int]:
    return {256 * high + low for high, low in pixels(x)[..., :2].flatten(0, -2).tolist()}


def of_seed(data: Any, split: str, r: int) -> tuple[Tensor, Tensor]:
    x, y = data.splits[split]
    return (x[data.rows[split][r]], y[data.rows[split][r]]) if split in data.rows else (x, y)


@pytest.mark.parametrize("r", [0, 1, 2])
def test_no_image_is_in_two_splits_of_a_seed_nor_twice_in_one(data: Any, r: int) -> None:
    found = {split: of_seed(data, split, r)[0] for split in SPLITS}
    for split, x in found.items():
        assert len(numbers(x)) == len(x)
        assert {*pixels(x)[:, 3].tolist()} == {int(split == "test")}
    for one, other in combinations(SPLITS, 2):
        assert not numbers(found[one]) & numbers(found[other])


def test_batches_are_of_their_split(data: Any) -> None:
    data.trainer = type("Trainer", (), {"current_epoch": 0})()
    batches = {split: data.eval_dataloader(split) for split in SPLITS}
    batches |= {"train": data.train_dataloader().batches, "val": data.val_dataloader()}
    for split in SPLITS:
        for x, y in batches[split]:
            own = x[y == 1] if data.items == "real or corrupted images" else x  # others are of two images
            assert numbers(own) <= numbers(data.splits[split][0])
            assert {*pixels(x)[..., 3].flatten().tolist()} == {int(split == "test")}


def test_an_image_has_the_label_that_it_came_with_and_that_class_name(data: Any) -> None:
    for x, y in data.splits.values():
        labels = pixels(x)[:, 2]
        assert torch.equal(y + data.classes[0], labels)
        if data.items == "images":
            assert [data.class_names[i] for i in y] == [f"class {label}" for label in labels]


def test_a_picture_of_the_test_set_is_that_of_its_place(data: Any) -> None:
    index = torch.tensor([5, 0, 17])
    x = next(iter(data.eval_dataloader("test")))[0][index]
    pictures = data.test_pictures(index).flatten(1).long()
    shown = pixels(x).flatten(1)[:, : pictures.shape[1]]  # the pixels of an image come before other channels
    assert torch.equal(pictures.sort(1).values, shown.sort(1).values)


def test_folds_hold_no_test_image_and_validate_on_no_training_image(data: Any) -> None:
    if data.items != "images":
        return
    folded = make_folds(data, 3, seed=0)
    for r in range(3):
        train, val = (of_seed(folded, split, r)[0] for split in ("train", "val"))
        assert not numbers(train) & numbers(val)
        assert not pixels(torch.cat([train, val]))[:, 3].any()
