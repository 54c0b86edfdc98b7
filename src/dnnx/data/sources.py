"""Sources of images: MNIST from disk or download, and scikit-learn's digits for machines without either."""

import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dnnx.data.idx import read_idx
from dnnx.errors import UserError, choose

MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CONNECT_S = 3  # per attempt; torchvision makes up to four (two mirrors, https and http)


@dataclass(frozen=True)
class Source:
    """Images uint8 [N, channels, H, W] and labels uint8 [N]; the first `num_val` of train are for validation."""

    source: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    num_val: int
    class_names: list[str]
    note: str
    warning: str = ""  # why it is not what was asked for first
    files: dict[str, str] = field(default_factory=dict)  # name -> SHA-256


class MissingData(UserError):
    """The data is not on this disk and cannot be downloaded."""


def load(name: str, root: Path) -> Source:
    """The source `name`; root is the folder that holds MNIST/raw/ or the four IDX files."""
    return choose("data.source", name, SOURCES)(root)


def mnist(root: Path) -> Source:
    """MNIST (LeCun et al. 1998): 60,000 + 10,000 images of 28 x 28."""
    paths = _find_mnist(root) or _download_mnist(root)
    arrays = [read_idx(path, dims=3 if "images" in path.name else 1) for path in paths]
    for images, labels, path in ((arrays[0], arrays[1], paths[1]), (arrays[2], arrays[3], paths[3])):
        if len(images) != len(labels):
            raise UserError(f"{path}: expected {len(images)} labels, one per image, found {len(labels)}")
        if labels.max(initial=0) > 9:
            raise UserError(f"{path}: expected labels 0 to 9, found {labels.max()}")
    if len(arrays[0]) <= 5000:
        raise UserError(f"{paths[0]}: expected more than 5000 images, found {len(arrays[0])}")
    return Source(
        "mnist", arrays[0][:, None], arrays[1], arrays[2][:, None], arrays[3],
        num_val=5000,
        class_names=[str(digit) for digit in range(10)],
        note="MNIST, IDX files",
        files={path.name: _sha256(path) for path in paths},
    )  # fmt: skip


def digits(root: Path) -> Source:
    """scikit-learn's bundled 1,797 handwritten digits of 8 x 8 (UCI), in file order: 180 val, 1,257 train, 360 test."""
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


def auto(root: Path) -> Source:
    """MNIST, or the bundled digits where MNIST can neither be read nor downloaded; never because it is corrupt."""
    try:
        return mnist(root)
    except MissingData as missing:
        return replace(
            digits(root), warning=f"THE BUNDLED 8x8 DIGITS STAND IN FOR MNIST, which compares with nothing. {missing}"
        )


SOURCES = {"auto": auto, "mnist": mnist, "digits": digits}


def _find_mnist(root: Path) -> list[Path]:
    try:
        for folder in (root / "MNIST" / "raw", root):
            found = [path for name in MNIST_FILES if (path := _plain_or_gz(folder / name))]
            if len(found) == len(MNIST_FILES):
                return found
    except PermissionError as error:
        raise UserError(f"{error.filename}: no permission to read it; fix that, or set paths.data") from None
    return []


def _plain_or_gz(path: Path) -> Path | None:
    return next((p for p in (path, path.with_name(path.name + ".gz")) if p.exists()), None)


def _download_mnist(root: Path) -> list[Path]:
    from torchvision.datasets import MNIST

    target = root / "MNIST" / "raw"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as temporary, _timeout(CONNECT_S):
            MNIST(temporary, download=True)
            target.mkdir(parents=True, exist_ok=True)
            for name in MNIST_FILES:
                os.replace(Path(temporary, "MNIST", "raw", name), target / name)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise MissingData(
            f"MNIST is not in {root} and could not be downloaded ({reason}); "
            f"put its four IDX files there, set paths.data to where they are, or use data.source=digits"
        ) from None
    return [target / name for name in MNIST_FILES]


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
