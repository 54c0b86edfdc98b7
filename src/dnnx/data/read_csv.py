"""Tables: read a .csv file, with errors that name its line."""

import csv
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from dnnx.basics.errors import UserError, near_misses, require
from dnnx.data.files import naming_file

DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+\s*")
MAX_LETTERS = 1000  # of the names of all columns in an error


def read_csv(path: Path, texts: Sequence[str] = (), least: int = 2) -> pd.DataFrame:
    """Return the columns of a .csv or .csv.gz file; `texts` are columns whose cells stay text.

    Columns are separated by commas; where the header has none, by semicolons or tabs. Then numbers may have a decimal
    comma.

    Raise UserError with the first line of wrong length, and for fewer than `least` columns.
    """
    with naming_file(path, UnicodeDecodeError, csv.Error, zlib.error), _open(path) as file:
        first = file.readline()
        separator = separator_of(first)
        reader, decimal = csv.reader(chain([first], file), delimiter=separator), "."
        header = next(reader, [])
        if len(header) < least:
            needed = "two columns or more are needed" if least == 2 else "a header is needed"
            raise UserError(f"{path}: {needed}, separated by commas; line 1 has {len(header)}")
        for row in reader:
            if row and len(row) != len(header):
                raise UserError(f"{path}: line {reader.line_num} has {len(row)} columns, the header {len(header)}")
            if separator != "," and decimal == "." and any(map(DECIMAL_COMMA.fullmatch, row)):
                decimal = ","
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UserError(f"{path}: the column {twice[0]} is there twice")
    kinds = dict.fromkeys(texts, str)
    with naming_file(path, ValueError):  # low_memory would choose the type of a column for each chunk of rows
        frame = pd.read_csv(path, index_col=False, dtype=kinds, sep=separator, decimal=decimal, low_memory=False)
    if len(frame) == 0:
        raise UserError(f"{path}: there is no row beneath the header")
    return frame


def separator_of(header: str) -> str:
    r"""Return the character between the columns of a header: a comma, or where it has none a semicolon or a tab.

    >>> separator_of("a;b"), separator_of('"a;b",c'), separator_of("a\tb")
    (';', ',', '\t')
    """
    outside = re.sub(r'"[^"]*"', "", header)
    return "," if "," in outside else max(",;\t", key=outside.count)


def _open(path: Path) -> Any:
    return (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", newline="")


def check_columns(frame: pd.DataFrame, path: Path, named: Mapping[str, Sequence[str]]) -> None:
    """Raise UserError for the first of the columns, by config key, that the frame of a file lacks."""
    names = [*map(str, frame.columns)]
    known = ", ".join(names)
    known = known if len(known) <= MAX_LETTERS else f"{', '.join(names[:12])}, ..., {names[-1]}"
    for key, columns in named.items():
        for column in columns:
            hint = f"{near_misses(column, names)}; it has {known}"
            require(column in frame.columns, key, column, f"{path.name} has no such column{hint}")
