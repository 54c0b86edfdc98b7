"""Sources of images: MNIST from disk or download, and scikit-learn's digits for machines without either."""

import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.request import Request, urlopen

import numpy as np

from dnnx.data.idx import open_idx, read_idx
from dnnx.errors import UserError, choose

MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
REACH_S = 10  # until a mirror has answered, names looked up and all; sockets alone would add up to minutes
STALL_S = 10  # without a byte, while downloading


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
    files: dict[str, str] = field(default_factory=dict)  # name -> SHA-256, uncompressed


class MissingData(UserError):
    """The data is not on this disk and cannot be downloaded."""


def load(name: str, root: Path) -> Source:
    """The source `name`; root is the folder that holds MNIST/raw/ or the four IDX files."""
    return choose("data.source", name, SOURCES)(root)


def mnist(root: Path) -> Source:
    """MNIST (LeCun et al. 1998): 60,000 + 10,000 images of 28 x 28."""
    found = _find_mnist(root)
    if len(found) < len(MNIST_FILES):
        _download_mnist(root, missing=[name for name in MNIST_FILES if name not in found])
        found = _find_mnist(root)
    paths = [found[name] for name in MNIST_FILES]
    arrays = [read_idx(path, dims=3 if "images" in path.name else 1) for path in paths]
    for images, labels, path in ((arrays[0], arrays[1], paths[1]), (arrays[2], arrays[3], paths[3])):
        if len(images) != len(labels):
            raise UserError(f"{path}: expected {len(images)} labels, one per image, found {len(labels)}")
        if labels.max() > 9:
            raise UserError(f"{path}: expected labels 0 to 9, found {labels.max()}")
    if len(arrays[0]) <= 5000:
        raise UserError(f"{paths[0]}: expected more than 5000 images, found {len(arrays[0])}")
    if (size := arrays[0].shape[1:]) != arrays[2].shape[1:]:
        raise UserError(f"{paths[2]}: expected images of {size}, as for training, found {arrays[2].shape[1:]}")
    return Source(
        "mnist", arrays[0][:, None], arrays[1], arrays[2][:, None], arrays[3],
        num_val=5000,
        class_names=[str(digit) for digit in range(10)],
        note="MNIST, IDX files",
        files={name: _sha256(path) for name, path in found.items()},
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


def _find_mnist(root: Path) -> dict[str, Path]:
    """Those of the four files that are there."""
    places = [root / "MNIST" / "raw", root]
    candidates = {name: [folder / f"{name}{end}" for folder in places for end in ("", ".gz")] for name in MNIST_FILES}
    try:
        found = {name: next((path for path in paths if path.exists()), None) for name, paths in candidates.items()}
    except PermissionError as error:
        raise UserError(f"{error.filename}: no permission to read it; fix that, or set paths.data") from None
    return {name: path for name, path in found.items() if path}


def _download_mnist(root: Path, missing: list[str]) -> None:
    """Puts the `missing` files into root/MNIST/raw, each whole and of the right checksum or not at all."""
    target = root / "MNIST" / "raw"
    try:
        mirror = _answering_mirror()
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as temporary, _timeout(STALL_S):
            _torchvision_mnist(mirror)(temporary, download=True)
            target.mkdir(parents=True, exist_ok=True)
            for name in missing:
                os.replace(Path(temporary, "MNIST", "raw", name), target / name)
    except (OSError, RuntimeError, HTTPException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        advice = "set paths.data to where all four IDX files are, or use data.source=digits"
        if len(missing) < len(MNIST_FILES):
            told = f"{root}: {', '.join(missing)} missing beside the other MNIST files"
            raise UserError(f"{told}, and could not be downloaded ({reason}); {advice}") from None
        raise MissingData(f"MNIST is not in {root} and could not be downloaded ({reason}); {advice}") from None


def _answering_mirror() -> str:
    """The first of torchvision's mirrors to send a byte of MNIST; OSError when none has within REACH_S."""
    from torchvision.datasets import MNIST

    answers: SimpleQueue[str | Exception] = SimpleQueue()

    def ask(mirror: str) -> None:
        try:
            with urlopen(Request(mirror + MNIST.resources[0][0]), timeout=REACH_S) as response:
                response.read(1)
            answers.put(mirror)
        except Exception as error:
            answers.put(error)

    for mirror in MNIST.mirrors:
        Thread(target=ask, args=(mirror,), daemon=True).start()
    deadline, answer = time.monotonic() + REACH_S, None
    for _ in MNIST.mirrors:
        with suppress(Empty):
            answer = answers.get(timeout=max(0, deadline - time.monotonic()))
        if isinstance(answer, str):
            return answer
    raise OSError(answer or f"no mirror answered within {REACH_S} s")


def _torchvision_mnist(mirror: str) -> type:
    """torchvision's MNIST, which downloads with progress and checks what came, from `mirror` first."""
    from torchvision.datasets import MNIST

    return type("MNIST", (MNIST,), {"mirrors": sorted(MNIST.mirrors, key=lambda other: other != mirror)})


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _sha256(path: Path) -> str:
    with open_idx(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
