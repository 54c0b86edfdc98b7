"""A test set that is the training set again is refused, whatever the order of its images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_up_mnist import idx_bytes

from dnnx.basics.errors import UserError
from dnnx.data.idx_files import IdxFiles
from dnnx.data.same_images import require_other_images
from dnnx.data.sources import load
from dnnx.data.sources.mnist import MNIST_FILES, OWN_FILES

IMAGES = np.random.default_rng(0).integers(256, size=(50, 1, 2, 2), dtype=np.uint8)


def test_images_that_are_all_known_are_refused() -> None:
    require_other_images("x", IMAGES[:40], IMAGES[30:])
    for test in (IMAGES, IMAGES[::-1], IMAGES[:1], np.repeat(IMAGES[:2], 9, 0)):
        with pytest.raises(UserError, match="test images is one of the training images"):
            require_other_images("x", IMAGES, test)
    black = np.zeros_like(IMAGES)
    with pytest.raises(UserError, match="x: each of the 50 test images"):
        require_other_images("x", black, black)


def test_equal_files_for_training_and_test_are_refused(
    tiny_mnist: Callable[..., Path], tiny_files: dict[str, bytes]
) -> None:
    same = dict(zip(MNIST_FILES[2:], [tiny_files[name] for name in MNIST_FILES[:2]], strict=True))
    root = tiny_mnist(**same)
    with pytest.raises(UserError, match="test images is one of the training images"):
        IdxFiles(seeds=[0], root=str(root / "MNIST/raw"), num_val=5000).setup()


def test_files_that_are_not_those_of_mnist_are_called_files_of_your_own(tiny_mnist: Callable[..., Path]) -> None:
    assert load("mnist", tiny_mnist()).note == OWN_FILES


def test_the_real_mnist_is_known_by_its_checksums(mnist_root: Path) -> None:
    assert load("mnist", mnist_root).note == "MNIST, IDX files"


def test_labels_in_another_order_make_files_of_your_own(mnist_root: Path, tmp_path: Path) -> None:
    raw = mnist_root / "MNIST/raw"
    for name in MNIST_FILES:
        (tmp_path / name).symlink_to(raw / name)
    labels = np.frombuffer((raw / MNIST_FILES[3]).read_bytes()[8:], np.uint8)
    (tmp_path / MNIST_FILES[3]).unlink()
    (tmp_path / MNIST_FILES[3]).write_bytes(idx_bytes(labels[::-1]))
    assert load("mnist", tmp_path).note == OWN_FILES
