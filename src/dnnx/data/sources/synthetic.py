"""Made-up colour images in place of CIFAR-10, for tests and first tries without data."""

from pathlib import Path

import numpy as np

from dnnx.data.sources.source import Source

NUM_TRAIN, NUM_VAL, NUM_TEST, NUM_CLASSES = 2000, 200, 500, 10


def load(root: Path) -> Source:
    """Return 2,000 + 500 made-up images of 3 x 32 x 32, always the same; 200 of the 2,000 are for validation.

    A class is a pattern of 4 x 4 coloured tiles. An image is that pattern, faint in strong noise of tiles and pixels.
    Classes take turns.
    """
    rng = np.random.default_rng(0)
    labels = (np.arange(NUM_TRAIN + NUM_TEST) % NUM_CLASSES).astype(np.uint8)
    patterns = rng.normal(0, 15, (NUM_CLASSES, 3, 4, 4))
    tiles = patterns[labels] + rng.normal(0, 30, (len(labels), 3, 4, 4))
    pixels = tiles.repeat(8, axis=2).repeat(8, axis=3) + rng.normal(128, 20, (len(labels), 3, 32, 32))
    images = pixels.clip(0, 255).astype(np.uint8)
    return Source(
        "synthetic", images[:NUM_TRAIN], labels[:NUM_TRAIN], images[NUM_TRAIN:], labels[NUM_TRAIN:],
        num_val=NUM_VAL,
        class_names=[f"pattern {label}" for label in range(NUM_CLASSES)],
        note="made-up 32x32 colour patterns, not CIFAR-10",
    )  # fmt: skip
