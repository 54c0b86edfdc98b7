"""Tables: read a .csv file, with errors that name its line."""

import csv
import gzip
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dnnx.basics.errors import UserError, near_misses, require
from dnnx.data.files import naming_file


def read_csv(path: Path, texts: Sequence[str] = (), least: int = 2) -> pd.DataFrame:
    """Return the columns of a .csv or .csv.gz file; `texts` are columns whose cells stay text.

    Raise UserError with the first line of wrong length, and for fewer than `least` columns.
    """
    with naming_file(path, UnicodeDecodeError, csv.Error, zlib.error), _open(path) as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if len(header) < least:
            needed = "two columns or more are needed" if least == 2 else "a header is needed"
            raise UserError(f"{path}: {needed}, separated by commas; line 1 has {len(header)}")
        for row in reader:
            if row and len(row) != len(header):
                raise UserError(f"{path}: line {reader.line_num} has {len(row)} columns, the header {len(header)}")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UserError(f"{path}: the column {twice[0]} is there twice")
    with naming_file(path, ValueError):
        frame = pd.read_csv(path, index_col=False, dtype=dict.fromkeys(texts, str))
    if len(frame) == 0:
        raise UserError(f"{path}: there is no row beneath the header")
    return frame


def _open(path: Path) -> Any:
    return (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", newline="")


def check_columns(frame: pd.DataFrame, path: Path, named: Mapping[str, Sequence[str]]) -> None:
    """Raise UserError for the first of the columns, by config key, that the frame of a file lacks."""
    known = ", ".join(map(str, frame.columns[:12])) + (", ..." if len(frame.columns) > 12 else "")
    for key, columns in named.items():
        for column in columns:
            hint = f"{near_misses(column, frame.columns)}; it has {known}"
            require(column in frame.columns, key, column, f"{path.name} has no such column{hint}")
