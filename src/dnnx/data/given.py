"""Data given as Python objects, saved to a file, so that a run can be resumed and tested again."""

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

from dnnx.runs.files import write_atomic


def kept(data: Any, folder: Path) -> Any:
    """Save a pair of arrays, or the arrays of a LightningDataModule, in `folder`; return the file.

    Return any other data, such as a class or a name, unchanged.
    """
    if isinstance(data, pl.LightningDataModule):
        return _save(_loaded(data), folder)
    if isinstance(data, tuple):
        return _save({"x": data[0], "y": data[1]}, folder)
    return _save(data, folder) if isinstance(data, Mapping) else data


def _save(named: Mapping[str, Any], folder: Path) -> Path:
    """Save arrays as <folder>/data-<checksum>.npz."""
    arrays = {key: np.asarray(value) for key, value in named.items()}
    digest = hashlib.sha256()
    for name, array in arrays.items():  # equal bytes of another shape or type are other data
        digest.update(f"{name} {array.shape} {array.dtype} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    path = folder.absolute() / f"data-{digest.hexdigest()[:12]}.npz"
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_atomic(path, partial(_write, arrays))
    return path


def _write(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    with path.open("wb") as file:  # for a path, NumPy would add .npz to its name
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _loaded(data: pl.LightningDataModule) -> dict[str, Any]:
    """Return the arrays of the three loaders of a LightningDataModule."""
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    found: dict[str, Any] = {}
    for part in ("train", "val", "test"):
        batches = [batch[:2] for batch in getattr(data, f"{part}_dataloader")()]
        x, y = (torch.cat(tensors).numpy() for tensors in zip(*batches, strict=True))
        found |= {f"x_{part}": x, f"y_{part}": y}
    return found
