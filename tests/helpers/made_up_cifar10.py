"""A made-up CIFAR-10 of a few images per class, as image files and as official batches."""

import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

from dnnx.data.sources import cifar10

PER_CLASS, NUM_VAL = {"train": 6, "test": 2}, 20
Files = dict[str, bytes]


def expect_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the source expect as many images as there are here."""
    monkeypatch.setattr(cifar10, "PER_CLASS", PER_CLASS)
    monkeypatch.setattr(cifar10, "NUM_VAL", NUM_VAL)


def encode(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """Pixels [H, W, 3] or [H, W] as an image file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def image_files(kind: str = "PNG") -> Files:
    """Name in cifar10/ -> contents; every image is noise of its own."""
    rng, end = np.random.default_rng(0), "png" if kind == "PNG" else "jpg"
    return {
        f"{split}/{label}/{i:04}.{end}": encode(rng.integers(256, size=(32, 32, 3), dtype=np.uint8), kind)
        for split, n in PER_CLASS.items()
        for label in cifar10.CLASSES
        for i in range(n)
    }


def pixels(contents: bytes) -> np.ndarray:
    """Pixels [3, 32, 32] of an image file."""
    return np.asarray(Image.open(io.BytesIO(contents))).transpose(2, 0, 1)


def unpacked(root: Path, files: Files, folder: str = "cifar10") -> Path:
    for name, contents in files.items():
        path = root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
    return root / folder


def packed(root: Path, files: Files, name: str = "cifar10.tgz", folder: str = "cifar10") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(root / name, "w:gz") as tar:
        for file, contents in files.items():
            member = tarfile.TarInfo(f"{folder}/{file}")
            member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))
    return root / name


def official_files(monkeypatch: pytest.MonkeyPatch) -> Files:
    """The six batches, 20 images in each, and torchvision told of their checksums."""
    rng, files = np.random.default_rng(0), {}
    for part in ("train_list", "test_list"):
        checksums = []
        for name, _ in getattr(CIFAR10, part):
            batch = {"data": rng.integers(256, size=(20, 3072), dtype=np.uint8), "labels": [i % 10 for i in range(20)]}
            files[name] = pickle.dumps(batch)
            checksums.append([name, hashlib.md5(files[name]).hexdigest()])
        monkeypatch.setattr(CIFAR10, part, checksums)
    return files
