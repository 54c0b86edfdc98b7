"""ArrayReader: examples as arrays, for data of which no other kind of file is known."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from dnnx.basics.errors import UserError
from dnnx.data.read_npz import as_tensor, load_arrays
from dnnx.data.readers.reader import Inputs, Reader


@dataclass(kw_only=True)
class ArrayReader(Reader):
    """The array x of an .npz file; for flat examples also the columns of a .csv file with a header."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    told: ClassVar[str] = ".npz or .csv file"

    def read(self, path: Path, convert: bool) -> Inputs:
        if path.suffix.lower() == ".npz":
            return read_npz(path)
        if path.suffix.lower() != ".csv":
            raise UserError(f"{path}: this run takes arrays: the x of an .npz file, or the columns of a .csv file")
        from dnnx.data.read_csv import read_csv  # imports pandas

        frame = read_csv(path, least=1)
        text = [str(name) for name, kind in frame.dtypes.items() if kind.kind not in "biuf"]
        if text:
            raise UserError(
                f"{path}: the column {text[0]} holds text; columns of numbers are needed, in training order"
            )
        x = torch.from_numpy(frame.to_numpy(np.float32))
        return Inputs(x, [f"line {row + 2}" for row in range(len(x))])


def read_npz(path: Path) -> Inputs:
    """Return the examples x of an .npz file; images of uint8 may be [N, H, W] or [N, H, W, 1 or 3]."""
    arrays = load_arrays(path, "inputs")
    if "x" not in arrays:
        raise UserError(f"{path}: it needs an array x; it has {', '.join(arrays) or 'nothing'}")
    x = as_tensor("x", arrays)
    if not len(x) or not x.dim():
        raise UserError(f"{path}: its array x holds no example")
    return Inputs(x, [f"x[{row}]" for row in range(len(x))])
