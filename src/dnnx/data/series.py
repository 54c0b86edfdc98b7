"""Series: measurements in the order of their time, read from a .csv file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dnnx.basics.errors import UserError, require
from dnnx.data.read_csv import check_columns, read_csv

FIRST_LINE = 2  # of the rows; line 1 is the header
DAY_FIRST = r"\d{1,2}\.\d{1,2}\.\d{4} .*"  # 31.12.2009 23:50:00, as the Jena weather station writes it


@dataclass
class Series:
    """Columns [N, C] in the order of their time; a missing value is NaN. Rows of one `segment` [N] have no gap.

    `targetless` [N] marks the rows without a value of the target.
    """

    values: np.ndarray
    columns: list[str]
    segment: np.ndarray
    targetless: np.ndarray
    told: str  # a note about its gaps and missing values


def read_series(
    path: Path, time: str | None, columns: Sequence[str] | None, target: str, gaps: str, mark: float | None
) -> Series:
    """Return the series of a .csv or .csv.gz file.

    Args:
        time: the column of times, in ISO form, as 31.12.2009 23:50:00, or as numbers; None: the first column.
        columns: the columns to keep; None: all columns of numbers except `time`.
        target: a column that is kept in any case.
        gaps: `error`, or `split`: a gap ends a segment, and of rows with the same time the first one is kept.
        mark: the number that marks a missing value, besides an empty cell.

    Raise UserError for an unknown column, text in a column, a time that goes back, and a gap if `gaps` is `error`.
    """
    frame = read_csv(path)
    name = str(frame.columns[0]) if time is None else time
    check_columns(frame, path, {"data.time": [name], "data.target": [target], "data.columns": columns or []})
    for key, named in {"data.target": [target], "data.columns": columns or []}.items():
        require(name not in named, key, name, "it is the column of times; name another one, or type data.time")
    times = _times(frame.pop(name), path)
    kept = _columns(frame, columns, target)
    frame = frame[kept]
    for column in frame.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]]:
        told = "a column of text is no measurement; name the columns of numbers, for example data.columns=[p,T]"
        raise UserError(f"data.columns: {path.name}, {column}: {told}")
    values = frame.to_numpy(np.float64)
    if mark is not None:
        values = np.where(values == mark, np.nan, values)
    for row, place in np.argwhere(np.isinf(values))[:1]:
        told = f"column {kept[place]}: {values[row, place]:g} is no finite number"
        raise UserError(f"{path}: line {row + FIRST_LINE}, {told}")
    own, segment, gap_note = _segments(times, path, gaps)
    values = values[own]
    missing = int(np.isnan(values).sum())
    told = f"{gap_note}, {missing} missing values" if missing else gap_note
    return Series(values, kept, segment, np.isnan(values[:, kept.index(target)]), told)


def _columns(frame: pd.DataFrame, columns: Sequence[str] | None, target: str) -> list[str]:
    """Return the names of the columns to keep, the target among them."""
    if columns is None:
        columns = [name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
    return [*columns] if target in columns else [*columns, target]


def _times(column: pd.Series, path: Path) -> np.ndarray:
    """Return the times as numbers that do not go back. Raise UserError with the line of one that does.

    Dates become whole nanoseconds since the first one, so their steps are exact.
    """
    if pd.api.types.is_numeric_dtype(column):
        times = column.to_numpy(np.float64)
    else:
        text = column.astype(str)
        is_day_first = re.fullmatch(DAY_FIRST, text.iloc[0]) is not None
        found = pd.to_datetime(
            text, format="%d.%m.%Y %H:%M:%S" if is_day_first else "ISO8601", errors="coerce", utc=True
        )
        for row in np.flatnonzero(found.isna())[:1]:
            told = "is no time; write 2009-12-31 23:50:00 or 31.12.2009 23:50:00 in every row"
            raise UserError(f"{path}: line {row + FIRST_LINE}: {text.iloc[row]} {told}")
        times = (found - found.iloc[0]).to_numpy("timedelta64[ns]").astype(np.int64)
    for row in np.flatnonzero(~(np.diff(times) >= 0))[:1] + 1:
        raise UserError(
            f"{path}: line {row + FIRST_LINE}: the time {column.iloc[row]} goes back; sort the rows by time"
        )
    return times


def _segments(times: np.ndarray, path: Path, gaps: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the rows to keep, their segments, and a note. Raise UserError for a gap if `gaps` is `error`."""
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    odd = np.flatnonzero(steps != usual)
    unit = 1e9 if times.dtype == np.int64 else 1  # seconds
    for row in odd[:1] + 1 if gaps == "error" else ():
        told = "the same time as the line before" if steps[row - 1] == 0 else f"a step of {steps[row - 1] / unit:g}"
        raise UserError(
            f"{path}: line {row + FIRST_LINE}: {told}, and not of {usual / unit:g} as usual; type data.gaps=split to "
            "use no window across it"
        )
    own = np.append(True, steps > 0) if usual > 0 else np.ones(len(times), bool)
    broken = np.diff(times[own]) != usual
    note = f", {int(broken.sum())} gaps, {int((~own).sum())} repeated times" if len(odd) else ""
    return np.flatnonzero(own), np.append(0, np.cumsum(broken)), note


def filled(series: Series) -> np.ndarray:
    """Return the values with the last earlier value of the column, in the same segment, for a missing one."""
    last = np.where(np.isnan(series.values), 0, np.arange(len(series.values))[:, None])
    last = np.maximum.accumulate(last, 0)
    filled = np.take_along_axis(series.values, last, 0)
    return np.where(series.segment[last] == series.segment[:, None], filled, np.nan)
