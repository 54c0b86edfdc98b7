"""Table: rows of a .csv file, with one column as the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dnnx.basics.errors import UserError, choose, require
from dnnx.data.arrays import ArrayData, Arrays
from dnnx.data.files import find_file, sha256
from dnnx.data.read_csv import check_columns, read_csv
from dnnx.data.readers.columns import Columns
from dnnx.data.repeated_folds import check_folds, repeated_folds, told_folds
from dnnx.data.scaling import mean_and_scale
from dnnx.data.splitting import PARTS, check_shares, split_rows

FEW = 20  # most different whole numbers for which kind=auto means classes


@dataclass(eq=False, repr=False, kw_only=True)
class Table(ArrayData):
    """The columns of a .csv or .csv.gz file: features [N, F], and the column `target` as classes or numbers.

    Args:
        kind: `auto` takes a target of text, or of up to 20 different whole numbers, as classes, any other as numbers.
        missing: an empty cell is an `error`, or `drop` removes its row, or `mean` fills in the column's training mean.
        text: a column of text is an `error`, or `one_hot` makes a column of 0 and 1 for each of its values.

    A missing target or weight is an error unless rows are dropped.

    Example: `Table(seeds=[0], file="housing.csv", target="MedHouseVal")`.
    """

    file: str
    target: str
    drop: Sequence[str] = ()  # columns that are no features
    weight: str | None = None  # column of the weights of the examples in the training loss
    missing: str = "error"  # or drop, mean
    text: str = "error"  # or one_hot
    standardize: bool = True
    scale_all: bool = False  # standardize by all rows, before they are divided: a mistake to study
    folds: int | None = None  # each seed tests on its own fold: see `repeated_folds`

    items: ClassVar[str] = "rows"

    def read(self) -> Arrays:
        choose("data.missing", self.missing, dict.fromkeys(("error", "drop", "mean")))
        choose("data.text", self.text, dict.fromkeys(("error", "one_hot")))
        check_shares(self.split, self.order_seed)
        path = find_file("data.file", self.file)
        frame = self._without_gaps(self._frame(path), path)
        y, names = self._target(frame.pop(self.target))
        weights = None if self.weight is None else self._weights(frame.pop(self.weight))
        features, reader = self._features(frame)
        x = torch.from_numpy(features)
        if self.scale_all:
            shift, scale = map(torch.from_numpy, mean_and_scale(features, ddof=1))
            x = (x - shift) / scale
            reader.shift, reader.scale = shift.tolist(), scale.tolist()
        note = f"{path.name}: {len(x):,} rows, {x.shape[1]} features, target {self.target}, "
        provenance = {"source": "table", "warning": "", "files": {path.name: sha256(path)}}
        if self.folds is not None:
            check_folds(self.folds, y, names or ())
            given = [key for key in ("weight", "train_size", "class_weights") if getattr(self, key) is not None]
            require(
                not given and self.missing != "mean", "data.folds", self.folds, f"not beside {given or 'missing=mean'}"
            )
            provenance["note"] = note + told_folds(self.folds, len(x), self.order_seed)
            return Arrays(dict.fromkeys(PARTS, (x.float(), y)), provenance, names, reader=reader)
        rows = dict(zip(PARTS, split_rows(y, self.split, self.order_seed, names or ()), strict=True))
        mean = _means(x, rows["train"])
        reader.fill = mean.tolist() if self.missing == "mean" else None
        x = torch.where(x.isnan(), mean, x).float()
        shares = "/".join(f"{share:g}" for share in self.split)
        provenance["note"] = note + f"split {shares} by data.order_seed={self.order_seed}"
        of_training = None if weights is None else weights[rows["train"]]
        splits = {part: (x[own], y[own]) for part, own in rows.items()}
        return Arrays(splits, provenance, names, weights=of_training, reader=reader)

    def prepare(self) -> None:
        told = "it would have no effect; type data.standardize=false"
        require(not (self.scale_all and self.standardize), "data.scale_all", True, told)
        scale = self.standardize
        self.standardize = scale and self.folds is None  # each fold has a scale of its own
        super().prepare()
        self.standardize = scale

    def draw_rows(self) -> dict[str, Tensor]:
        """Return the rows of each seed's fold; nothing without folds."""
        if self.folds is None:
            return {}
        x, y = self.splits["train"]
        share = self.split[1] / (self.split[0] + self.split[1])
        folds = repeated_folds(x, y, self.folds, self.seeds, self.order_seed, share, self.standardize)
        self.splits, rows, self.scaling_of_seeds = folds
        return rows

    def _frame(self, path: Path) -> pd.DataFrame:
        return read_csv(path)

    def _without_gaps(self, frame: pd.DataFrame, path: Path) -> pd.DataFrame:
        """Return the frame without dropped columns and rows. Raise UserError for gaps that no rule covers."""
        named = {
            "data.target": [self.target],
            "data.drop": self.drop,
            "data.weight": [self.weight] if self.weight else [],
        }
        check_columns(frame, path, named)
        _require_one_use(named)
        frame = frame.drop(columns=list(self.drop))
        gaps = {str(name): int(n) for name, n in frame.isna().sum().items() if n}
        if self.missing == "drop":
            return _without_rows(frame, gaps, path)
        told = ", ".join(f"{name} ({n})" for name, n in gaps.items())
        if gaps and self.missing == "error":
            raise UserError(f"{path}: values are missing in {told}; type data.missing=drop or data.missing=mean")
        for column in sorted({self.target, str(self.weight)} & gaps.keys()):
            raise UserError(f"{path}: {gaps[column]} values are missing in {column}; type data.missing=drop")
        return frame

    def _target(self, column: pd.Series) -> tuple[Tensor, list[str] | None]:
        is_text = not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
        whole = not is_text and bool((column == column.round()).all())
        classes = self.kind == "classes" or (self.kind == "auto" and (is_text or (whole and column.nunique() <= FEW)))
        if not classes:
            require(not is_text, "data.kind", self.kind, f"the target {self.target} is text; type data.kind=classes")
            return torch.tensor(column.to_numpy(np.float64)), None
        values = sorted(column.unique())
        require(len(values) > 1, "data.target", self.target, f"every value is {values[0]}; a target must vary")
        number = {value: i for i, value in enumerate(values)}
        return torch.tensor([number[value] for value in column]), [_name(value) for value in values]

    def _weights(self, column: pd.Series) -> Tensor:
        numeric = pd.api.types.is_numeric_dtype(column)
        require(numeric, "data.weight", self.weight, "a column of numbers is needed")
        return torch.tensor(column.to_numpy(np.float64))

    def _require_numbers(self, column: pd.Series) -> None:
        """Raise UserError with the first line whose cell is no number, if the column has numbers too."""
        wrong = pd.to_numeric(column, errors="coerce").isna() & column.notna()
        if wrong.any() and not wrong.all():
            line, value = column.index[wrong][0] + 2, column[wrong].iloc[0]
            told = f"line {line}, column {column.name}: {value!r} is no number; correct it, or type data.drop"
            raise UserError(f"{Path(self.file).name}: {told}=[{column.name}] or data.text=one_hot")

    def _features(self, frame: pd.DataFrame) -> tuple[np.ndarray, Columns]:
        """Return the features [N, F], and the reader of other rows."""
        words = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
        if words and self.text == "error":
            for name in words:
                self._require_numbers(frame[name])
            told = (
                "type data.text=one_hot, or leave them out, for example data.drop=[" + ",".join(map(str, words)) + "]"
            )
            raise UserError(f"data.text=error: columns of text: {', '.join(map(str, words))}; {told}")
        categories = {str(name): sorted(map(str, frame[name].dropna().unique())) for name in words}
        reader = Columns(numbers=[str(name) for name in frame.columns if name not in words], categories=categories)
        frame = pd.get_dummies(frame, columns=words) if words else frame
        require(frame.shape[1] > 0, "data.file", self.file, "no column is left as a feature")
        return frame.to_numpy(np.float64, copy=True), reader  # of one column it would be read-only


def _require_one_use(named: Mapping[str, Sequence[str]]) -> None:
    """Raise UserError for a column that two of the config keys name."""
    users: dict[str, str] = {}
    for key in ("data.target", "data.weight", "data.drop"):
        for column in named[key]:
            other = users.setdefault(column, key)
            require(other == key, key, column, f"it is {other} too; name another column")


def _without_rows(frame: pd.DataFrame, gaps: Mapping[str, int], path: Path) -> pd.DataFrame:
    """Return the rows without a gap. Raise UserError with the columns of most gaps if there is none."""
    kept = frame.dropna()
    if kept.empty:
        most = sorted(gaps, key=lambda name: -gaps[name])[:3]
        told = (
            f"{path.name} has no row without a gap; most are in {', '.join(f'{name} ({gaps[name]})' for name in most)}"
        )
        raise UserError(f"data.missing=drop: {told}; leave out columns, for example data.drop=[{most[0]}]")
    return kept


def _means(x: Tensor, train: Tensor) -> Tensor:
    """Return the means [F] of x [N, F] over the training rows, for missing values."""
    mean = x[train].nanmean(0)
    if mean.isnan().any():
        raise UserError("data.missing=mean: a column has no value in any training row; leave it out by data.drop=[...]")
    return mean


def _name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
