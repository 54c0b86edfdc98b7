"""Folder: images in class folders."""

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from dnnx.basics.errors import UserError, near_misses, require
from dnnx.data.arrays import ArrayData, Arrays
from dnnx.data.splitting import PARTS, complete, told_of

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MAX_SIDE = 4096
MODES = {1: "L", 3: "RGB"}


@dataclass(eq=False, repr=False, kw_only=True)
class Folder(ArrayData):
    """Images under `root`: train/<class>/, test/<class>/ and optionally val/<class>/; or <class>/ alone.

    A folder without train/ is divided by `split`, class by class. Without val/, validation images are drawn from the
    training images. Classes are numbered by the order of their names. Within a class images are sorted by file name.

    Example: `Folder(seeds=[0], root="photos", resize=[64, 64])`.
    """

    root: str
    resize: Sequence[int] | None = None  # [height, width] in pixels; None: all images have one size
    channels: int = 3  # 1: grey

    items: ClassVar[str] = "images"

    def read(self) -> Arrays:
        root = Path(self.root).expanduser()
        require(root.is_dir(), "data.root", self.root, "there is no such folder")
        self._check_settings()
        parts = {part: root / part for part in PARTS if (root / part).is_dir()}
        if "train" in parts and "test" not in parts:
            raise UserError(f"data.root={root}: it has train/ and no test/; official test images go there")
        parts = parts if "train" in parts else {"all": root}
        classes = _class_folders(parts.get("train", root))
        found = {part: _find_images(folder, classes, least=part in ("all", "train")) for part, folder in parts.items()}
        digest = hashlib.sha256()
        splits = {part: (self._read_all(own, root, digest), _labels(own)) for part, own in found.items()}
        note = f"images of {root.name}/{f', resized to {_size(self.resize)}' if self.resize else ''}"
        note += told_of(list(splits), self.split, self.order_seed)
        whole = complete(splits, self.split, self.order_seed, classes)
        files = {"names and contents": digest.hexdigest()}
        return Arrays(whole, {"source": "folder", "note": note, "warning": "", "files": files}, classes)

    def _check_settings(self) -> None:
        size = self.resize
        valid = size is None or (len(size) == 2 and all(type(side) is int and 1 <= side <= MAX_SIDE for side in size))
        told = f"null, or height and width up to {MAX_SIDE} pixels, for example data.resize=[64,64]"
        require(valid, "data.resize", size, told)
        require(self.channels in MODES, "data.channels", self.channels, "1 for grey or 3 for colour")

    def _read_all(self, found: list[tuple[Path, int]], root: Path, digest: "hashlib._Hash") -> Tensor:
        """Return the pixels [N, channels, H, W] of all images. Names and contents update the digest, in order."""
        images: Tensor | None = None
        paths = [path for path, _ in found]
        with ThreadPoolExecutor() as pool:
            decoded = pool.map(partial(_decode, size=self.resize, mode=MODES[self.channels]), paths)
            for row, (path, (pixels, checksum)) in enumerate(zip(paths, decoded, strict=True)):
                digest.update(f"{path.relative_to(root)} {checksum}\n".encode(errors="surrogateescape"))
                if images is None:
                    images = torch.empty((len(paths), *pixels.shape), dtype=torch.uint8)
                if pixels.shape != images.shape[1:]:
                    told = f"it has {_size(pixels.shape[1:])} pixels, {paths[0].name} {_size(images.shape[2:])}"
                    raise UserError(f"{path}: {told}; type for example data.resize=[64,64]")
                images[row] = torch.from_numpy(pixels)
        assert images is not None
        return images


def _class_folders(folder: Path) -> list[str]:
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    if len(classes) < 2:
        found = ", ".join(classes) or "none"
        raise UserError(f"data.root: {folder} needs two class folders of images or more; found {found}")
    return classes


def _find_images(folder: Path, classes: list[str], least: bool) -> list[tuple[Path, int]]:
    """Return the images of a split with their labels. `least` requires two images of each class, otherwise one."""
    for name in sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."):
        if name not in classes:
            raise UserError(f"{folder / name}: it is none of the training classes{near_misses(name, classes)}")
    found = []
    for label, name in enumerate(classes):
        inside = sorted((folder / name).iterdir()) if (folder / name).is_dir() else []
        images = [path for path in inside if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
        if len(images) < 1 + least:
            told = f"a class folder needs {'two images' if least else 'one image'} or more, found {len(images)}"
            raise UserError(f"{folder / name}: {told}")
        found += [(path, label) for path in images]
    return found


def _labels(found: list[tuple[Path, int]]) -> Tensor:
    return torch.tensor([label for _, label in found])


def _decode(path: Path, size: Sequence[int] | None, mode: str) -> tuple[np.ndarray, str]:
    """Return pixels [channels, H, W], upright by the camera's EXIF tag, and the SHA-256 of the file."""
    try:
        contents = path.read_bytes()
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(contents))).convert(mode)
        if size:
            image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split()).replace(str(path), path.name)
        raise UserError(f"{path}: it cannot be read as an image ({reason})") from None
    pixels = np.asarray(image)
    pixels = pixels[None] if mode == "L" else pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels), hashlib.sha256(contents).hexdigest()


def _size(sides: Sequence[int]) -> str:
    return f"{sides[0]} x {sides[1]}"
