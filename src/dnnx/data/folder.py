"""Folder: images in class folders."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from dnnx.basics.errors import UserError, near_misses, require
from dnnx.data.arrays import ArrayData, Arrays
from dnnx.data.decoding import MODES, check_size, pixels_of, told_size
from dnnx.data.readers.pictures import SUFFIXES, Pictures
from dnnx.data.sources.tree import Tree, open_tree
from dnnx.data.splitting import PARTS, complete, told_of

NAMES = {name: name for name in PARTS} | {"training_set": "train", "test_set": "test"}  # folders of a split


@dataclass(eq=False, repr=False, kw_only=True)
class Folder(ArrayData):
    """Images under `root`: train/<class>/, test/<class>/ and optionally val/<class>/; or <class>/ alone.

    `root` is a folder, a .tgz, or a folder that holds nothing but a .tgz. training_set/ and test_set/ are other names
    of train/ and test/. A root without train/ is divided by `split`, class by class. Without val/, validation images
    are drawn from the training images. Classes are numbered by the order of their names. Within a class images are
    sorted by file name. Images stay in bytes until their batch is needed, unless they are standardized.

    Example: `Folder(seeds=[0], root="photos", resize=[64, 64])`.
    """

    root: str
    resize: Sequence[int] | None = None  # [height, width] in pixels; None: all images have one size
    channels: int = 3  # 1: grey

    items: ClassVar[str] = "images"
    in_bytes: ClassVar[bool] = True

    def read(self) -> Arrays:
        check_size(self.resize)
        require(self.channels in MODES, "data.channels", self.channels, "1 for grey or 3 for colour")
        tree = open_tree("data.root", self.root)
        parts = {part: name for name in tree.subfolders() if (part := NAMES.get(name))}
        if "train" in parts and "test" not in parts:
            raise UserError(f"data.root={tree.path}: it has train/ and no test/; official test images go there")
        parts = {part: parts[part] for part in PARTS if part in parts} if "train" in parts else {"all": ""}
        classes = _class_folders(tree, parts.get("train", ""))
        found = {part: _find_images(tree, folder, classes, part in ("all", "train")) for part, folder in parts.items()}
        digest = hashlib.sha256()
        splits = {part: (self._read_all(tree, own, digest), _labels(own)) for part, own in found.items()}
        note = f"images of {tree.path.name}{f', resized to {told_size(self.resize)}' if self.resize else ''}"
        note += told_of(list(splits), self.split, self.order_seed)
        whole = complete(splits, self.split, self.order_seed, classes)
        files = {"names and contents": digest.hexdigest()}
        size = list(next(iter(splits.values()))[0].shape[2:])
        reader = Pictures(size=size, channels=self.channels, resized=self.resize is not None, converted=True)
        return Arrays(whole, {"source": "folder", "note": note, "warning": "", "files": files}, classes, reader=reader)

    def _read_all(self, tree: Tree, found: list[tuple[str, int]], digest: "hashlib._Hash") -> Tensor:
        """Return the pixels [N, channels, H, W] of all images. Names and contents update the digest, in order."""
        images: Tensor | None = None
        names = [name for name, _ in found]
        with ThreadPoolExecutor() as pool:
            decoded = pool.map(partial(_decode, tree, size=self.resize, mode=MODES[self.channels]), names)
            for row, (name, (pixels, checksum)) in enumerate(zip(names, decoded, strict=True)):
                digest.update(f"{name} {checksum}\n".encode(errors="surrogateescape"))
                if images is None:
                    images = torch.empty((len(names), *pixels.shape), dtype=torch.uint8)
                if pixels.shape != images.shape[1:]:
                    first = names[0].rpartition("/")[2]
                    told = f"it has {told_size(pixels.shape[1:])} pixels, {first} {told_size(images.shape[2:])}"
                    raise UserError(f"{tree.told(name)}: {told}; type for example data.resize=[64,64]")
                images[row] = torch.from_numpy(pixels)
        assert images is not None
        return images


def _class_folders(tree: Tree, folder: str) -> list[str]:
    classes = tree.subfolders(folder)
    if len(classes) < 2:
        found = ", ".join(classes) or "none"
        raise UserError(f"data.root: {tree.told(folder)} needs two class folders of images or more; found {found}")
    return classes


def _find_images(tree: Tree, folder: str, classes: list[str], least: bool) -> list[tuple[str, int]]:
    """Return the images of a split with their labels. `least` requires two images of each class, otherwise one."""
    start = f"{folder}/" if folder else ""
    for name in tree.subfolders(folder):
        if name not in classes:
            raise UserError(
                f"{tree.told(start + name)}: it is none of the training classes{near_misses(name, classes)}"
            )
    found = []
    for label, name in enumerate(classes):
        images = [file for file in tree.files(start + name) if Path(file).suffix.lower() in SUFFIXES]
        if len(images) < 1 + least:
            told = f"a class folder needs {'two images' if least else 'one image'} or more, found {len(images)}"
            raise UserError(f"{tree.told(start + name)}: {told}")
        found += [(file, label) for file in images]
    return found


def _labels(found: list[tuple[str, int]]) -> Tensor:
    return torch.tensor([label for _, label in found])


def _decode(tree: Tree, name: str, size: Sequence[int] | None, mode: str) -> tuple[np.ndarray, str]:
    """Return pixels [channels, H, W] and the SHA-256 of the file."""
    contents = tree.read(name)
    return pixels_of(tree.told(name), contents, mode, size), hashlib.sha256(contents).hexdigest()
