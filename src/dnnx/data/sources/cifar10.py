"""CIFAR-10 from its official files or from image files, decoded once and stored."""

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np

from dnnx.basics.errors import UserError
from dnnx.data.sources.archive import read_files
from dnnx.data.sources.cache import cached
from dnnx.data.sources.download import DownloadFailed, downloading
from dnnx.data.sources.image_folder import read_image_folder
from dnnx.data.sources.source import MissingData, Source

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
PER_CLASS = {"train": 5000, "test": 1000}
NUM_VAL = 5000
LIMIT = 2**25  # bytes of an official file; each has 31 million


def load(root: Path) -> Source:
    """Return CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32 x 32 in ten classes.

    It is read from the first of these in `root`: cifar-10-batches-py/, cifar-10-python.tar.gz, cifar10/, cifar10.tgz.
    The last two hold {train,test}/<class>/*.png or .jpg. Otherwise it is downloaded. `cached` stores it decoded.
    """
    try:
        origin = next((root / name for name in READERS if (root / name).exists()), None) or _download(root)
        return cached(origin, READERS[origin.name])
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror}); fix that, or set paths.data") from None


def _official(path: Path) -> Source:
    """Return the source from the pickled batches. They are loaded only if their checksums are those in torchvision."""
    from torchvision.datasets import CIFAR10

    checksums = dict([*CIFAR10.train_list, *CIFAR10.test_list])
    contents = dict(read_files(path, checksums.__contains__, LIMIT))
    for name, expected in checksums.items():
        if name not in contents:
            raise UserError(f"{path}: {name} is missing; delete it to download it again")
        found = hashlib.md5(contents[name], usedforsecurity=False).hexdigest()
        if found != expected:
            raise UserError(
                f"{path}: {name} has the MD5 checksum {found}, not {expected}; delete it to download it again"
            )
    train, test = (_unpickle([contents[name] for name, _ in part]) for part in (CIFAR10.train_list, CIFAR10.test_list))
    return Source(
        "cifar10", *train, *test,
        num_val=NUM_VAL,
        class_names=CLASSES,
        note="CIFAR-10, official files",
        files={name: hashlib.sha256(body).hexdigest() for name, body in contents.items()},
    )  # fmt: skip


def _unpickle(batches: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    entries = [pickle.loads(batch, encoding="latin1") for batch in batches]
    images = np.concatenate([entry["data"] for entry in entries]).reshape(-1, 3, 32, 32)
    return images, np.concatenate([entry["labels"] for entry in entries]).astype(np.uint8)


def _image_folder(path: Path) -> Source:
    return read_image_folder(path, CLASSES, PER_CLASS, NUM_VAL)


READERS = {
    "cifar-10-batches-py": _official,
    "cifar-10-python.tar.gz": _official,
    "cifar10": _image_folder,
    "cifar10.tgz": _image_folder,
}


def _download(root: Path) -> Path:
    """Download the official archive into `root`, complete and with the right checksum, or not at all."""
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import download_url

    try:
        with downloading(root, [CIFAR10.url]) as (url, temporary):
            download_url(url, temporary, CIFAR10.filename, CIFAR10.tgz_md5)
            os.replace(temporary / CIFAR10.filename, root / CIFAR10.filename)
    except DownloadFailed as reason:
        raise MissingData(
            f"CIFAR-10 is not in {root} and could not be downloaded ({reason}); put {' or '.join(READERS)} there, "
            "set paths.data to where it is, or try data.source=synthetic"
        ) from None
    return root / CIFAR10.filename
