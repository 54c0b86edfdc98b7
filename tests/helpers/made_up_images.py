"""Made-up images on disk: grey ones as IDX files, and photos in class folders."""

from pathlib import Path

import numpy as np
from made_up_mnist import idx_bytes
from PIL import Image


def grey_files(folder: Path, side: int = 28) -> Path:
    """Write IDX files of 120 training and 30 test images in ten classes, whose number of bright rows is the class."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for part, n in (("train", 120), ("t10k", 30)):
        labels = np.arange(n, dtype=np.uint8) % 10
        images = rng.integers(0, 60, (n, side, side), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[: 2 * label + 2] += 150
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return folder


def photos(folder: Path, side: int = 32, n: int = 12) -> Path:
    """Write n training and test photos of cats (dark) and dogs (bright)."""
    rng = np.random.default_rng(0)
    for part in ("training_set", "test_set"):
        for label, name in enumerate(("cats", "dogs")):
            (folder / part / name).mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(100 * label, 100 * label + 120, (side, side, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{i:02}.png")
    return folder
