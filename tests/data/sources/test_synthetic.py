"""The made-up colour images: the same every time, learnable though not trivial, chosen by name only."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from splits import shared_images, splits

from dnnx.data.sources import MissingData, load


def test_synthetic_images_are_reproducible_balanced_and_disjoint() -> None:
    first, second = load("synthetic", Path("nowhere")), load("synthetic", Path("nowhere"))
    for (images, labels), (again, _) in zip(splits(first).values(), splits(second).values(), strict=True):
        np.testing.assert_array_equal(images, again)
        assert images.shape[1:] == (3, 32, 32)
        assert images.dtype == labels.dtype == np.uint8
        assert set(np.bincount(labels)) == {len(labels) // 10}
    assert {name: len(labels) for name, (_, labels) in splits(first).items()} == {
        "train": 1800,
        "val": 200,
        "test": 500,
    }
    assert shared_images(first) == set()


def test_a_linear_model_learns_synthetic_images_but_not_perfectly() -> None:
    source = load("synthetic", Path("nowhere"))
    (x, y), (test_x, test_y) = (
        (images.reshape(len(images), 3, 4, 8, 4, 8).mean((3, 5)).reshape(len(images), -1) / 255, labels)
        for images, labels in (splits(source)["train"], splits(source)["test"])
    )
    accuracy = LogisticRegression(C=100, max_iter=300).fit(x, y).score(test_x, test_y)
    assert 0.5 < accuracy < 0.98  # chance is 0.1


def test_synthetic_images_never_replace_real_ones(tmp_path: Path) -> None:
    assert load("auto", tmp_path).source == "digits"
    with pytest.raises(MissingData, match=r"data\.source=synthetic"):
        load("cifar10", tmp_path)
