"""The arrays of .npz files: how they are read, and how images in them are turned."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dnnx.basics.errors import UserError, require
from dnnx.data.files import naming_file

ENDS = {"all": "", "train": "_train", "val": "_val", "test": "_test"}  # of the names of the arrays of each part


def load_arrays(path: Path, key: str) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by name. Raise UserError for another file."""
    # zipfile raises RuntimeError for all that it cannot unpack: encrypted files, other versions.
    with naming_file(path, ValueError, zipfile.BadZipFile, zlib.error, RuntimeError):
        loaded: Any = np.load(path, allow_pickle=False)
        require(hasattr(loaded, "files"), key, path, "an .npz file is needed, this is one array")
        return {name: loaded[name] for name in loaded.files}


def as_tensor(name: str, arrays: dict[str, np.ndarray]) -> Tensor:
    """Return an array as a tensor; uint8 images x [N, H, W] or [N, H, W, 1 or 3] become [N, channels, H, W]."""
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
