"""IdxFiles: grey images in the four files of MNIST's format."""

from dataclasses import dataclass
from pathlib import Path

import torch

from dnnx.basics.errors import UserError, require
from dnnx.data.arrays import ArrayData, Arrays, Examples
from dnnx.data.files import find_folder, sha256
from dnnx.data.read_idx import read_idx
from dnnx.data.same_images import require_other_images


@dataclass(eq=False, repr=False, kw_only=True)
class IdxFiles(ArrayData):
    """Images [N, 1, H, W] of {train,t10k}-images-idx3-ubyte with {train,t10k}-labels-idx1-ubyte, plain or .gz.

    The first `num_val` training images are for validation. Labels are 0 to C-1.

    Example: `IdxFiles(seeds=[0], root="data/FashionMNIST/raw")`.
    """

    root: str
    num_val: int = 5000

    def read(self) -> Arrays:
        root = find_folder("data.root", self.root)
        paths = {(part, dims): _find(root, part, dims) for part in ("train", "t10k") for dims in (3, 1)}
        train, test = (_images(paths[part, 3], paths[part, 1]) for part in ("train", "t10k"))
        require_other_images(f"data.root={root}", train[0].numpy(), test[0].numpy())
        (x, y), n = train, self.num_val
        valid = type(n) is int and 1 <= n < len(x)
        require(valid, "data.num_val", n, f"a whole number from 1 to {len(x) - 1}, fewer than the training images")
        splits = {"train": (x[n:], y[n:]), "val": (x[:n], y[:n]), "test": test}
        files = {path.name: sha256(path) for path in paths.values()}
        note = f"IDX files of {root}, validation: the first {n:,} training images"
        return Arrays(splits, {"source": "idx", "note": note, "warning": "", "files": files})


def _find(root: Path, part: str, dims: int) -> Path:
    name = f"{part}-{'images' if dims == 3 else 'labels'}-idx{dims}-ubyte"
    for path in (root / name, root / f"{name}.gz"):
        if path.is_file():
            return path
    raise UserError(f"data.root={root}: {name} is missing, plain or .gz")


def _images(images: Path, labels: Path) -> Examples:
    x, y = read_idx(images, 3), read_idx(labels, 1)
    if len(x) != len(y):
        raise UserError(f"{labels}: expected {len(x)} labels, one per image, found {len(y)}")
    return torch.from_numpy(x[:, None].copy()), torch.from_numpy(y.copy()).long()
