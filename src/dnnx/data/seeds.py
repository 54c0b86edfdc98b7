"""Seeds: the kernels of three kinds of wheat (UCI seeds), a text file without header."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dnnx.basics.errors import UserError, require
from dnnx.data.files import naming_file
from dnnx.data.table import Table

COLUMNS = [
    "area", "perimeter", "compactness", "length", "width", "asymmetry", "groove", "kind",
]  # fmt: skip
KINDS = (1, 2, 3)


@dataclass(eq=False, repr=False, kw_only=True)
class Seeds(Table):
    """Seven measures of a kernel, and its kind. `kinds` chooses the rows.

    Example: `Seeds(seeds=[0], file="seeds_dataset.txt", kinds=[1, 2])`.
    """

    target: str = "kind"
    kinds: Sequence[int] = KINDS

    def _frame(self, path: Path) -> pd.DataFrame:
        valid = len(set(self.kinds)) > 1 and set(self.kinds) <= set(KINDS)
        require(valid, "data.kinds", list(self.kinds), "two or three of 1, 2 and 3, for example data.kinds=[1,2]")
        with naming_file(path, ValueError):
            frame = pd.read_csv(path, sep=r"\s+", header=None)
        if frame.shape[1] != len(COLUMNS):
            raise UserError(f"{path}: {len(COLUMNS)} columns are needed; it has {frame.shape[1]}")
        frame.columns = pd.Index(COLUMNS)
        return frame[frame["kind"].isin([*self.kinds])].reset_index(drop=True)
