"""CIFAR-10 as one file per image, in folders by class or in a .tgz of them."""

import hashlib
import io
import warnings
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from rich.progress import track

from dnnx.basics.console import console
from dnnx.basics.errors import UserError, message_of
from dnnx.data.sources.archive import read_files
from dnnx.data.sources.source import Source

SIDE = 32
LIMIT = 2**18  # bytes of an image file; one of 32 x 32 has about a thousand
SUFFIXES = (".png", ".jpg", ".jpeg")


def read_image_folder(path: Path, classes: list[str], per_class: dict[str, int], num_val: int) -> Source:
    """Return the images {train,test}/<class>/*.png or .jpg of `path`, `per_class` of each class.

    Within a class they are sorted by file name, and the classes take turns. Validation is the first `num_val` of train,
    so it has num_val / classes images of every class. Raise UserError with the file or folder at fault.
    """
    total = len(classes) * sum(per_class.values())
    images = np.empty((total, 3, SIDE, SIDE), np.uint8)
    rows: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)  # of (split, class): file name -> row of images
    digests: dict[str, str] = {}
    files = read_files(path, lambda name: _is_image(name, per_class), LIMIT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # _decode checks the size itself
        for name, contents in _progress(files, total):
            split, label, file = name.split("/")
            _check_place(path, split, label, classes, len(rows[split, label]), per_class[split])
            if name in digests:
                raise UserError(f"{path}: {name} is there twice")
            row = rows[split, label][file] = len(digests)
            images[row] = _decode(f"{path}: {name}", contents)
            digests[name] = hashlib.sha256(contents).hexdigest()
    for split, expected in per_class.items():
        for label in classes:
            if (found := len(rows[split, label])) != expected:
                raise UserError(f"{path}: expected {expected:,} images in {split}/{label}/, found {found or 'none'}")
    order = {split: _take_turns([rows[split, label] for label in classes]) for split in per_class}
    labels = {split: np.tile(np.arange(len(classes), dtype=np.uint8), n) for split, n in per_class.items()}
    jpeg = any(not name.lower().endswith(".png") for name in digests)
    return Source(
        "cifar10", images[order["train"]], labels["train"], images[order["test"]], labels["test"],
        num_val=num_val,
        class_names=classes,
        note=f"CIFAR-10{', JPEG re-encoded' * jpeg}, validation: first {num_val // len(classes)} file names per class",
        files={"names and contents": hashlib.sha256(str(sorted(digests.items())).encode()).hexdigest()},
    )  # fmt: skip


def _progress(files: Iterable[tuple[str, bytes]], total: int) -> Iterable[tuple[str, bytes]]:
    return track(files, "decoding", total, console=console, transient=True, disable=not console.is_terminal)


def _is_image(name: str, splits: dict[str, int]) -> bool:
    """Return whether a path is <split>/<class>/<image>; README, labels and hidden files are not."""
    parts = name.split("/")
    return len(parts) == 3 and parts[0] in splits and parts[2][0] != "." and parts[2].lower().endswith(SUFFIXES)


def _check_place(path: Path, split: str, label: str, classes: list[str], found: int, expected: int) -> None:
    if label not in classes:
        raise UserError(f"{path}: {split}/{label}/ is none of the {len(classes)} classes {', '.join(classes)}")
    if found == expected:
        raise UserError(f"{path}: expected {expected:,} images in {split}/{label}/, found more")


def _decode(name: str, contents: bytes) -> np.ndarray:
    """Return pixels [3, 32, 32]. The header is checked first, so that no image takes too much memory."""
    try:
        image = Image.open(io.BytesIO(contents), formats=("JPEG", "PNG"))
        if image.size == (SIDE, SIDE) and image.mode == "RGB":
            return np.asarray(image).transpose(2, 0, 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = message_of(error)
        raise UserError(f"{name}: not readable as PNG or JPEG ({reason})") from None
    width, height = image.size
    raise UserError(f"{name}: expected {SIDE} x {SIDE} pixels in RGB, found {width} x {height} in {image.mode}")


def _take_turns(rows_of_classes: list[dict[str, int]]) -> np.ndarray:
    """Return rows in this order: first image of every class, second of every class, and so on, by file name."""
    return np.array([[rows[file] for file in sorted(rows)] for rows in rows_of_classes]).T.flatten()
