"""Npz: arrays of a NumPy file."""

import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dnnx.basics.errors import UserError, require
from dnnx.data.arrays import ArrayData, Arrays
from dnnx.data.files import find_file, naming_file, sha256
from dnnx.data.splitting import complete, told_of


@dataclass(eq=False, repr=False, kw_only=True)
class Npz(ArrayData):
    """The arrays x and y of an .npz file, or x_train, y_train, x_test, y_test and optionally x_val, y_val.

    Images of uint8 [N, H, W] or [N, H, W, 1 or 3] become [N, channels, H, W]. Other arrays keep their shape.

    Example: `Npz(seeds=[0], file="digits.npz")`.
    """

    file: str

    def read(self) -> Arrays:
        path = find_file("data.file", self.file)
        with naming_file(path, ValueError, zipfile.BadZipFile, EOFError):
            loaded: Any = np.load(path, allow_pickle=False)
            require(hasattr(loaded, "files"), "data.file", self.file, "an .npz file is needed, this is one array")
            arrays = {name: loaded[name] for name in loaded.files}
        splits = {}
        for part, end in {"all": "", "train": "_train", "val": "_val", "test": "_test"}.items():
            if f"x{end}" in arrays and f"y{end}" in arrays:
                splits[part] = (_as_tensor(f"x{end}", arrays), _as_tensor(f"y{end}", arrays))
        if "all" not in splits and not {"train", "test"} <= set(splits):
            told = "it needs x and y, or x_train, y_train, x_test and y_test"
            raise UserError(f"{path}: {told}; it has {', '.join(arrays) or 'nothing'}")
        splits = {"all": splits["all"]} if "all" in splits else splits
        note = f"{path.name}{told_of(list(splits), self.split, self.order_seed)}"
        if self.kind == "numbers":
            splits = {part: (x, y.float()) for part, (x, y) in splits.items()}
        whole = complete(splits, self.split, self.order_seed)
        return Arrays(whole, {"source": "npz", "note": note, "warning": "", "files": {path.name: sha256(path)}})


def _as_tensor(name: str, arrays: dict[str, np.ndarray]) -> Tensor:
    array = arrays[name]
    if array.dtype.kind not in "biuf":
        raise UserError(f"data: the array {name} holds {array.dtype}, not numbers")
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    if name.startswith("x") and array.dtype == np.uint8 and array.ndim == 3:
        array = array[:, None]
    elif name.startswith("x") and array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(array))
