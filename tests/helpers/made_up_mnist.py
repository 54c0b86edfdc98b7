"""A made-up MNIST, of 2 x 2 pixels unless told, as IDX files, small but with every class everywhere."""

import struct

import numpy as np

from dnnx.data.sources.mnist import MNIST_FILES


def idx_bytes(array: np.ndarray) -> bytes:
    """A uint8 array as the contents of an IDX file."""
    return struct.pack(f">{1 + array.ndim}I", 0x0800 | array.ndim, *array.shape) + array.tobytes()


def make_files(size: int = 2) -> dict[str, bytes]:
    """File name -> contents: 5,200 training images, of which 5,000 are for validation, and 100 for the test."""
    rng = np.random.default_rng(0)
    files = {}
    for images, labels, n in ((*MNIST_FILES[:2], 5200), (*MNIST_FILES[2:], 100)):
        files[images] = idx_bytes(rng.integers(256, size=(n, size, size), dtype=np.uint8))
        files[labels] = idx_bytes(np.arange(n, dtype=np.uint8) % 10)
    return files
