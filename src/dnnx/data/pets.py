"""Pets: images of cats and dogs with a class for every pixel, the Oxford-IIIT Pet data set (Parkhi et al. 2012)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dnnx.basics.errors import UserError, require
from dnnx.data.arrays import ArrayData, Arrays
from dnnx.data.decoding import check_size, decode
from dnnx.data.readers.pictures import Pictures
from dnnx.data.sources.tree import Tree, open_tree
from dnnx.data.splitting import complete, told_of

CLASSES = ["pet", "background", "border"]  # values 1, 2 and 3 of a trimap
PLACES = {"images": ("images",), "trimaps": ("annotations/trimaps", "trimaps"), "lists": ("annotations",)}


@dataclass(eq=False, repr=False, kw_only=True)
class Pets(ArrayData):
    """Images [N, 3, H, W] and masks [N, H, W] of the classes pet, background and border.

    `root` is a folder or a .tgz with images/, annotations/trimaps/ (or trimaps/), annotations/trainval.txt and
    annotations/test.txt. Validation images are drawn from trainval by `split` and `order_seed`. Listed images that are
    absent are left out, so that a subset works. Images stay in bytes until their batch is needed.

    Example: `Pets(seeds=[0], root="data/pets/oxford_pets_600_256px.tgz", resize=[96, 96])`.
    """

    root: str
    resize: Sequence[int] = (96, 96)  # [height, width] in pixels

    items: ClassVar[str] = "images"
    in_bytes: ClassVar[bool] = True

    def read(self) -> Arrays:
        check_size(self.resize)
        require(self.resize is not None, "data.resize", self.resize, "height and width, for example [96,96]")
        tree = open_tree("data.root", self.root)
        listed = {split: _listed(tree, name) for split, name in (("train", "trainval"), ("test", "test"))}
        digest = hashlib.sha256()
        splits = {split: self._read_all(tree, names, digest) for split, names in listed.items()}
        note = f"Oxford-IIIT Pet of {Path(self.root).name}, resized to {self.resize[0]} x {self.resize[1]}"
        note += told_of(list(splits), self.split, self.order_seed)
        whole = complete(splits, self.split, self.order_seed)
        provenance = {
            "source": "pets",
            "note": note,
            "warning": "",
            "files": {"names and contents": digest.hexdigest()},
        }
        reader = Pictures(size=list(self.resize), channels=3, resized=True, converted=True)
        return Arrays(whole, provenance, CLASSES, reader=reader)

    def _read_all(self, tree: Tree, names: list[str], digest: "hashlib._Hash") -> tuple[Tensor, Tensor]:
        images = torch.empty((len(names), 3, *self.resize), dtype=torch.uint8)
        masks = torch.empty((len(names), *self.resize), dtype=torch.int64)
        for row, name in enumerate(names):
            image, trimap = (_place(tree, kind, name) for kind in ("images", "trimaps"))
            for file in (image, trimap):
                digest.update(f"{file} {hashlib.sha256(tree.read(file)).hexdigest()}\n".encode())
            pixels = decode(tree.told(image), tree.read(image))
            classes = _mask(tree.told(trimap), tree.read(trimap), pixels.size)
            images[row] = torch.from_numpy(_resized(pixels, self.resize, Image.Resampling.BILINEAR).transpose(2, 0, 1))
            masks[row] = torch.from_numpy(_resized(classes, self.resize, Image.Resampling.NEAREST)) - 1
        return images, masks


def _listed(tree: Tree, name: str) -> list[str]:
    """Return the names of the images of a split that are there. The first word of a line is the name."""
    path = next((f"{place}/{name}.txt" for place in PLACES["lists"] if tree.has(f"{place}/{name}.txt")), None)
    if path is None:
        raise UserError(f"{tree.path}: annotations/{name}.txt is missing")
    lines = tree.read(path).decode().splitlines()
    words = [line.split()[0] for line in lines if line.strip() and line[0] != "#"]
    found = [word for word in words if tree.has(f"images/{word}.jpg")]
    if not found:
        raise UserError(f"{tree.told(path)}: none of its {len(words)} images is in images/")
    return found


def _place(tree: Tree, kind: str, name: str) -> str:
    suffix = ".jpg" if kind == "images" else ".png"
    paths = [f"{folder}/{name}{suffix}" for folder in PLACES[kind]]
    path = next((path for path in paths if tree.has(path)), None)
    if path is None:
        raise UserError(f"{tree.path}: {paths[0]} is missing, though {name} is listed")
    return path


def _mask(name: str, contents: bytes, size: tuple[int, int]) -> Image.Image:
    """Return a trimap with the values 1 to 3. Raise UserError for another size or other values."""
    mask = decode(name, contents, "L", exact=True)
    if mask.size != size:
        told = f"the mask has {mask.size[1]} x {mask.size[0]} pixels, its image {size[1]} x {size[0]}"
        raise UserError(f"{name}: {told}; they must be equal")
    found = np.unique(np.asarray(mask)).tolist()
    if not set(found) <= {1, 2, 3}:
        raise UserError(f"{name}: a mask holds 1 (pet), 2 (background) and 3 (border), found {found[:8]}")
    return mask


def _resized(image: Image.Image, size: Sequence[int], how: Image.Resampling) -> np.ndarray:
    return np.asarray(image.resize((size[1], size[0]), how)).copy()
