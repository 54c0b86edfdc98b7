"""Higgs: signal or background from 28 features of a collision (Baldi et al. 2014, UCI HIGGS)."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dnnx.basics.at_work import Check
from dnnx.basics.errors import UserError, is_number, require
from dnnx.data.arrays import ArrayData, Arrays
from dnnx.data.checks import DATA_CHECKS
from dnnx.data.files import find_file, naming_file, sha256
from dnnx.data.loaders import Chunks
from dnnx.data.noisy import NOISE_CHECK, Noisy
from dnnx.data.splitting import PARTS, check_shares, split_rows

NUM_FEATURES = 28
NAMES = ["background", "signal"]


@dataclass(eq=False, repr=False, kw_only=True)
class Higgs(ArrayData):
    """HIGGS.csv or HIGGS.csv.gz, its first `num_rows` rows; or an .npz of rows with X, y and source.

    Of an .npz the rows of `train_sources` are for training, `num_val` of them for validation, and those of
    `test_sources` for test. `noise` is the standard deviation of normal noise on the training inputs in each step.

    Example: `Higgs(seeds=[0], file="HIGGS.csv.gz", num_rows=100_000)`.
    """

    file: str
    num_rows: int = 100_000  # of a .csv
    train_sources: Sequence[int] = (2, 0)  # of an .npz
    test_sources: Sequence[int] = (1,)
    num_val: int = 971
    noise: float = 0.0
    standardize: bool = True

    items: ClassVar[str] = "collisions"
    refused: ClassVar[tuple[str, ...]] = ("augment",)
    checks: ClassVar[tuple[Check, ...]] = (*DATA_CHECKS, NOISE_CHECK)
    of_seeds: ClassVar[tuple[str, ...]] = (*ArrayData.of_seeds, "noise")

    def read(self) -> Arrays:
        valid = is_number(self.noise) and self.noise >= 0
        require(valid, "data.noise", self.noise, "a number of at least 0, in standard deviations of a feature")
        path = find_file("data.file", self.file)
        splits, note = self._of_npz(path) if path.suffix == ".npz" else self._of_csv(path)
        told = "training, validation and test need one row each at least"
        require(all(len(y) for _, y in splits.values()), "data.file", self.file, told)
        provenance = {"source": "higgs", "note": note, "warning": "", "files": {path.name: sha256(path)}}
        return Arrays(splits, provenance, NAMES)

    def _of_npz(self, path: Path) -> tuple[dict[str, tuple[Tensor, Tensor]], str]:
        with naming_file(path, ValueError, zipfile.BadZipFile, KeyError):
            loaded: Any = np.load(path, allow_pickle=False)
            x, y, source = (torch.from_numpy(loaded[name]) for name in ("X", "y", "source"))
        both = sorted({*self.train_sources} & {*self.test_sources})
        told = f"{both} are data.train_sources too; a row of training would be tested"
        require(not both, "data.test_sources", [*self.test_sources], told)
        train, test = (torch.isin(source, torch.tensor([*own])).nonzero()[:, 0]
                       for own in (self.train_sources, self.test_sources))  # fmt: skip
        valid = type(self.num_val) is int and 2 <= self.num_val < len(train)
        require(valid, "data.num_val", self.num_val, f"a whole number from 2 to {len(train) - 1}")
        share = self.num_val / len(train)
        own = split_rows(y[train].long(), (1 - share, share), self.order_seed, NAMES)
        rows = {"train": train[own[0]], "val": train[own[1]], "test": test}
        note = f"{path.name}: a subset of HIGGS, sources {[*self.train_sources]} for training, {[*self.test_sources]} "
        note += f"for test, {len(own[1])} for validation by data.order_seed={self.order_seed}"
        return {part: (x[i].float(), y[i].long()) for part, i in rows.items()}, note

    def _of_csv(self, path: Path) -> tuple[dict[str, tuple[Tensor, Tensor]], str]:
        check_shares(self.split, self.order_seed)
        valid = type(self.num_rows) is int and self.num_rows >= 3
        require(valid, "data.num_rows", self.num_rows, "a whole number of at least 3, for example 100000")
        with naming_file(path, ValueError, zlib.error):
            table = pd.read_csv(path, header=None, nrows=self.num_rows, dtype=np.float32).to_numpy()
        if table.shape[1] != 1 + NUM_FEATURES:
            raise UserError(f"{path}: {1 + NUM_FEATURES} columns are needed, the label first; it has {table.shape[1]}")
        y, x = torch.from_numpy(table[:, 0]).long(), torch.from_numpy(table[:, 1:].copy())
        rows = dict(zip(PARTS, split_rows(y, self.split, self.order_seed, NAMES), strict=True))
        return {part: (x[i], y[i]) for part, i in rows.items()}, f"{path.name}: its first {len(y):,} rows"

    def train_dataloader(self) -> Chunks:
        chunks = super().train_dataloader()
        return Chunks(Noisy(chunks.batches, self.noise)) if self.noise else chunks
