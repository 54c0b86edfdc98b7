"""Return the three splits of a source, and find images that two of them share."""

import numpy as np

from dnnx.data.sources import Source


def splits(source: Source) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images and labels of train, val and test."""
    images, labels, n = source.train_images, source.train_labels, source.num_val
    return {
        "train": (images[n:], labels[n:]),
        "val": (images[:n], labels[:n]),
        "test": (source.test_images, source.test_labels),
    }


def shared_images(source: Source) -> set[bytes]:
    """Images that are in two splits."""
    train, val, test = ({image.tobytes() for image in images} for images, _ in splits(source).values())
    return train & val | train & test | val & test
