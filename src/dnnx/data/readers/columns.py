"""Columns: the rows of a .csv file, with the columns, categories and rules of the training file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from dnnx.basics.errors import UserError, near_misses
from dnnx.data.readers.reader import Inputs, Reader

if TYPE_CHECKING:  # a training of other data needs no pandas
    import pandas as pd

FIRST_LINE = 2  # of the rows; line 1 is the header


@dataclass(kw_only=True)
class Columns(Reader):
    """Features [N, F]: columns of numbers in their order, then a column of 0 and 1 for each category of a text column.

    Other columns of the file, such as the target, are left out.

    Args:
        numbers: the columns of numbers.
        categories: for each column of text its values in the training file.
        fill: for each feature the value in place of a missing one; None: a missing value is an error.
        shift, scale: for each feature, subtracted and divided by, where the whole file was scaled before its split.
    """

    numbers: Sequence[str]
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fill: Sequence[float] | None = None
    shift: Sequence[float] | None = None
    scale: Sequence[float] | None = None

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".gz")
    told: ClassVar[str] = ".csv file"

    def read(self, path: Path, convert: bool) -> Inputs:
        if not path.name.lower().endswith((".csv", ".csv.gz")):
            raise UserError(f"{path}: this run takes rows of a table, so a .csv file is needed")
        from dnnx.data.read_csv import read_csv  # imports pandas

        return self.of_frame(read_csv(path, texts=[*self.categories], least=1), str(path))

    def of_frame(self, frame: "pd.DataFrame", told: str = "x") -> Inputs:
        """Return the features of a DataFrame; `told` names it in errors."""
        lacking = [name for name in [*self.numbers, *self.categories] if name not in frame.columns]
        if lacking:
            near = near_misses(lacking[0], map(str, frame.columns))
            raise UserError(f"{told}: it lacks the columns {', '.join(lacking)}, which the training file has{near}")
        parts = [self._numbers(frame[name], told) for name in self.numbers]
        for name in self.categories:
            parts += self._indicators(frame[name], told)
        x = np.stack(parts, 1)
        if self.fill is not None:
            x = np.where(np.isnan(x), np.asarray(self.fill), x)
        if self.shift is not None:
            x = (x - np.asarray(self.shift)) / np.asarray(self.scale)
        return Inputs(torch.from_numpy(x).float(), [f"line {row + FIRST_LINE}" for row in range(len(x))])

    def _numbers(self, column: "pd.Series", told: str) -> np.ndarray:
        import pandas as pd

        found = pd.to_numeric(column, errors="coerce")
        for row in np.flatnonzero(found.isna() & column.notna())[:1]:
            raise UserError(f"{_place(told, row, column)}: {column.iloc[row]!r} is no number")
        self._require_values(column, told)
        values = found.to_numpy(np.float64, na_value=np.nan)
        for row in np.flatnonzero(np.isinf(values))[:1]:
            raise UserError(f"{_place(told, row, column)}: {values[row]:g} is no finite number")
        return values

    def _indicators(self, column: "pd.Series", told: str) -> list[np.ndarray]:
        known = self.categories[str(column.name)]
        self._require_values(column, told)
        text = column.astype(str).where(column.notna())  # as in the training file, where 1 may stand beside "many"
        for row in np.flatnonzero(text.notna() & ~text.isin(list(known)))[:1]:
            some = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
            near = near_misses(str(column.iloc[row]), known)
            raise UserError(f"{_place(told, row, column)}: {column.iloc[row]!r} is none of {some}, which it has "
                            f"in the training file{near}")  # fmt: skip
        return [(text == value).to_numpy(np.float64) for value in known]

    def _require_values(self, column: "pd.Series", told: str) -> None:
        for row in np.flatnonzero(column.isna())[:1] if self.fill is None else ():
            raise UserError(f"{_place(told, row, column)}: the value is missing; only a run with data.missing=mean "
                            "fills it in")  # fmt: skip


def _place(told: str, row: int, column: "pd.Series") -> str:
    return f"{told}: line {row + FIRST_LINE}, column {column.name}"
