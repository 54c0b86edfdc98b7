"""scikit-learn's digits, for machines without MNIST and network."""

from pathlib import Path

import numpy as np

from dnnx.data.sources.source import Source


def load(root: Path) -> Source:
    """Return scikit-learn's 1,797 handwritten digits of 8 x 8 (UCI), in file order: 180 val, 1,257 train, 360 test."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.uint8)
    return Source(
        "digits", images[:-360], labels[:-360], images[-360:], labels[-360:],
        num_val=180,
        class_names=[str(digit) for digit in range(10)],
        note="scikit-learn's bundled 8x8 digits, not MNIST",
    )  # fmt: skip
