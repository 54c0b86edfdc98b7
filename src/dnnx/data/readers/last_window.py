"""LastWindow: the last window of a series, from which the value after it is predicted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from dnnx.basics.errors import UserError
from dnnx.data.readers.reader import Inputs, Reader


@dataclass(kw_only=True)
class LastWindow(Reader):
    """The window x [1, length, C] that ends with the last row of a .csv file.

    `offsets` are the places of its samples in the order that the net gets them, counted from its first row. The other
    arguments are those of the training data.
    """

    columns: Sequence[str]
    target: str
    offsets: Sequence[int]
    time: str | None = None
    missing: str = "drop"
    mark: float | None = None
    gaps: str = "error"

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".gz")
    told: ClassVar[str] = ".csv file"

    def read(self, path: Path, convert: bool) -> Inputs:
        from dnnx.data.series import filled, read_series  # imports pandas

        series = read_series(path, self.time, self.columns, self.target, self.gaps, self.mark)
        values = filled(series) if self.missing == "fill" else series.values
        span = max(self.offsets) + 1
        if len(values) < span or series.segment[-span] != series.segment[-1]:
            raise UserError(f"{path}: its last rows without a gap are fewer than the {span} of a window")
        window = values[-span:][list(self.offsets)]
        if np.isnan(window).any():
            told = "" if self.missing == "fill" else "; only a run with data.missing=fill fills it in"
            raise UserError(f"{path}: a value is missing in its last {span} rows{told}")
        return Inputs(torch.from_numpy(window).float()[None], [f"{path}, after its last row"])
