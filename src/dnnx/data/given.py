"""Data given as Python objects, saved to a file, so that a run can be resumed and tested again."""

import hashlib
from collections.abc import Mapping
from functools import partial
from numbers import Number
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

from dnnx.basics.errors import UserError, message_of, require
from dnnx.data.lightning import read_module
from dnnx.data.read_npz import ENDS
from dnnx.runs.files import write_atomic

NAMES = {f"{axis}{end}" for axis in "xy" for end in ENDS.values()}  # of the arrays that are read


def kept(data: Any, folder: Path) -> Any:
    """Save a pair of arrays, or the arrays of a LightningDataModule, in `folder`; return the file.

    Return any other data, such as a class or a name, unchanged.
    """
    if isinstance(data, pl.LightningDataModule):
        found = read_module(data)
        x, y = ({f"{axis}_{part}": xy[i] for part, xy in found.items()} for i, axis in enumerate("xy"))
        return _save(x | y, folder)
    if isinstance(data, tuple):
        told = "give (x [N, ...], y [N]); weights are typed: data.class_weights=balanced, or data.weight of a table"
        require(len(data) == 2, "data", f"a tuple of {len(data)}", told)
        return _save({"x": data[0], "y": data[1]}, folder)
    return _save(data, folder) if isinstance(data, Mapping) else data


def _save(named: Mapping[str, Any], folder: Path) -> Path:
    """Save arrays as <folder>/data-<checksum>.npz. Raise UserError for x and y that are no numbers.

    Arrays of other names are never read; they may hold text, and those that NumPy can only pickle are left out.
    """
    found = {str(key): _array(str(key), value) for key, value in named.items()}
    arrays = {name: array for name, array in found.items() if array.dtype.kind != "O"}
    digest = hashlib.sha256()
    for name, array in arrays.items():  # equal bytes of another shape or type are other data
        digest.update(f"{name} {array.shape} {array.dtype} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    path = folder.absolute() / f"data-{digest.hexdigest()[:12]}.npz"
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_atomic(path, partial(_write, arrays))
    return path


def _array(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value)
    except (TypeError, ValueError, RuntimeError) as error:
        if name not in NAMES:
            return np.array(None)
        raise UserError(f"data: {name} is no array of numbers ({message_of(error, 200)})") from None
    if name in NAMES and array.dtype.kind not in "biuf":
        first = next((one for one in array.flat if not isinstance(one, Number)), None)
        first = first.item() if isinstance(first, np.generic) else first
        example = f"numpy.unique({name}, return_inverse=True)[1]" if name.startswith("y") else f"{name}.astype(float)"
        such = "" if first is None and None not in array else f", such as {first!r},"
        raise UserError(f"data: {name} holds {array.dtype}{such} and not numbers; give numbers, for example {example}")
    return array


def _write(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    with path.open("wb") as file:  # for a path, NumPy would add .npz to its name
        np.savez(file, **arrays)  # type: ignore[arg-type]
