"""The bundled digits: the same every time, every class in every split, no image twice."""

from pathlib import Path

import numpy as np
from splits import shared_images, splits

from dnnx.data.sources import load


def test_digits_are_the_same_every_time_and_disjoint() -> None:
    first, second = load("digits", Path("nowhere")), load("digits", Path("nowhere"))
    np.testing.assert_array_equal(first.train_images, second.train_images)
    assert {name: len(images) for name, (images, _) in splits(first).items()} == {
        "train": 1257,
        "val": 180,
        "test": 360,
    }
    assert shared_images(first) == set()
    for images, labels in splits(first).values():
        assert np.array_equal(np.unique(labels), np.arange(10))
        assert images.dtype == labels.dtype == np.uint8
    assert (first.train_images.min(), first.train_images.max()) == (0, 255)
