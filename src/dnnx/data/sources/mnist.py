"""MNIST from its IDX files, on disk or downloaded."""

import hashlib
import os
from pathlib import Path

from dnnx.basics.errors import UserError
from dnnx.data.read_idx import open_idx, read_idx
from dnnx.data.sources.download import DownloadFailed, downloading
from dnnx.data.sources.source import MissingData, Source

MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

# SHA-256 of the uncompressed files, in this order.
DIGESTS = (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
OWN_FILES = "files of your own in MNIST's form, not those of MNIST by checksum"


def load(root: Path) -> Source:
    """Return MNIST (LeCun et al. 1998): 60,000 + 10,000 images of 28 x 28."""
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
    files = {name: _sha256(path) for name, path in found.items()}
    is_known = tuple(files[name] for name in MNIST_FILES) == DIGESTS
    return Source(
        "mnist", arrays[0][:, None], arrays[1], arrays[2][:, None], arrays[3],
        num_val=5000,
        class_names=[str(digit) for digit in range(10)],
        note="MNIST, IDX files" if is_known else OWN_FILES,
        files=files,
    )  # fmt: skip


def _find_mnist(root: Path) -> dict[str, Path]:
    """Return those of the four files that exist."""
    places = [root / "MNIST" / "raw", root]
    candidates = {name: [folder / f"{name}{end}" for folder in places for end in ("", ".gz")] for name in MNIST_FILES}
    try:
        found = {name: next((path for path in paths if path.exists()), None) for name, paths in candidates.items()}
    except PermissionError as error:
        raise UserError(f"{error.filename}: no permission to read it; fix that, or set paths.data") from None
    return {name: path for name, path in found.items() if path}


def _download_mnist(root: Path, missing: list[str]) -> None:
    """Download the `missing` files into root/MNIST/raw, each complete and with the right checksum, or not at all."""
    from torchvision.datasets import MNIST

    target, first = root / "MNIST" / "raw", MNIST.resources[0][0]
    try:
        with downloading(root, [mirror + first for mirror in MNIST.mirrors]) as (url, temporary):
            _torchvision_mnist(url.removesuffix(first))(temporary, download=True)
            target.mkdir(parents=True, exist_ok=True)
            for name in missing:
                os.replace(temporary / "MNIST" / "raw" / name, target / name)
    except DownloadFailed as reason:
        advice = "set paths.data to where all four IDX files are, or use data.source=digits"
        if len(missing) < len(MNIST_FILES):
            told = f"{root}: {', '.join(missing)} missing beside the other MNIST files"
            raise UserError(f"{told}, and could not be downloaded ({reason}); {advice}") from None
        raise MissingData(f"MNIST is not in {root} and could not be downloaded ({reason}); {advice}") from None


def _torchvision_mnist(mirror: str) -> type:
    """Return torchvision's MNIST class, which downloads with progress and verifies checksums, from `mirror` first."""
    from torchvision.datasets import MNIST

    return type("MNIST", (MNIST,), {"mirrors": sorted(MNIST.mirrors, key=lambda other: other != mirror)})


def _sha256(path: Path) -> str:
    with open_idx(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
