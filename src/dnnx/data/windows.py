"""Windows: pieces of a series and the value to forecast from each, gathered from one array when they are needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from dnnx.basics.at_work import Check, must
from dnnx.basics.errors import choose, require
from dnnx.basics.seeding import generator
from dnnx.data.arrays import ArrayData
from dnnx.data.files import find_file, sha256
from dnnx.data.gathered import Gathered
from dnnx.data.readers.last_window import LastWindow
from dnnx.data.scaling import mean_and_scale
from dnnx.data.series import Series, filled, read_series
from dnnx.data.splitting import PARTS, check_shares

LATER = "later"  # name of the second test set in the results: later/mae
ORDERS = ("forward", "reversed", "shuffled")


def _unmixed(run: Any) -> None:
    x, _ = run.data.splits["train"]
    few = x[torch.linspace(0, len(x) - 1, min(len(x), 1000), device=x.device).long()].flatten(0, 1)
    must(few.mean(0).abs().max() < 0.5, f"a column of the training windows has mean {few.mean(0).abs().max():g}")


@dataclass(eq=False, repr=False, kw_only=True)
class Windows(ArrayData):
    """Windows [N, length, C] of the columns of a series, and the value of `target` after each window, [N].

    A window has every `sampling`-th row. Its target comes `delay` samples after its last row: with rows of 10 minutes,
    sampling=6 and delay=24, a day later. The parts of `split` follow one another in time. Every window lies in one
    part with its target, so no row is in windows of two parts. Columns are scaled by mean and deviation of the training
    rows. Targets keep their unit.

    Args:
        missing: of windows with a missing value, `drop` uses none; `fill` takes the last earlier value of the column
            for an input, and uses no window without target.
        predict: `level`, the value of the target, or `change`, its difference from the last value in the window.
        stride: rows between the starts of two windows.
        blocks: pieces of the rows before the test rows, each of which ends with its own validation rows.
        order: of the rows of a window; `shuffled` is one order for all windows, drawn by `order_seed`.
        test_file: a later series to test on; the share of test rows in `split` is then unused.
        later_file: a second test set, whose metrics are later/mae and so on.

    Example: `Windows(seeds=[0], file="weather.csv", target="T (degC)", length=120, sampling=6, delay=24)`.
    """

    file: str
    target: str
    time: str | None = None
    columns: Sequence[str] | None = None
    length: int = 24
    sampling: int = 1
    delay: int = 1
    stride: int = 1
    blocks: int = 1
    missing: str = "drop"
    mark: float | None = -9999.0
    gaps: str = "error"
    predict: str = "level"
    order: str = "forward"
    test_file: str | None = None
    later_file: str | None = None
    batch_size: int = 256
    standardize: bool = True
    split: Sequence[float] = (0.5, 0.25, 0.25)

    checks: ClassVar[tuple[Check, ...]] = (Check("data.standardize", lambda cfg: cfg.data.standardize, _unmixed),)
    items: ClassVar[str] = "windows"
    foldable: ClassVar[bool] = False
    refused: ClassVar[tuple[str, ...]] = ("augment", "class_weights", "x", "y", "given")

    @property
    def reach(self) -> int:
        """Return the rows from the start of a window to its target."""
        return self.sampling * (self.length - 1 + self.delay)

    def prepare(self) -> None:
        self._check()
        first = self._read("data.file", self.file)
        rows = _parts(len(first.values), self.split, self.blocks, self.test_file is None)
        found = {"data.file": first}
        for split, key in (("test", "test_file"), (LATER, "later_file")):
            if (name := getattr(self, key)) is not None:
                own = found[f"data.{key}"] = self._read(f"data.{key}", name)
                begin = sum(len(series.values) for series in found.values()) - len(own.values)
                rows[split] = [(begin, begin + len(own.values))]
        values = np.concatenate([series.values for series in found.values()])
        ends = np.cumsum([0, *(series.segment[-1] + 1 for series in found.values())])
        segment = np.concatenate([s.segment + end for s, end in zip(found.values(), ends, strict=False)])
        targetless = np.concatenate([series.targetless for series in found.values()])
        self._gather(values, _Usable(segment, np.isnan(values).any(1), targetless), rows)
        self.in_shape, self.target_shape = (self.length, values.shape[1]), ()
        self.num_classes, self.class_names = None, []
        self.reader = self._reader()
        self.provenance |= {"source": "windows", "note": self._note(first), "warning": ""}

    def _check(self) -> None:
        choose("data.missing", self.missing, dict.fromkeys(("drop", "fill")))
        choose("data.gaps", self.gaps, dict.fromkeys(("error", "split")))
        choose("data.predict", self.predict, dict.fromkeys(("level", "change")))
        choose("data.order", self.order, dict.fromkeys(ORDERS))
        check_shares(self.split, self.order_seed)
        for name in ("length", "sampling", "stride", "blocks"):
            value = getattr(self, name)
            require(type(value) is int and value >= 1, f"data.{name}", value, "a whole number of at least 1")
        told = "a whole number of samples of at least 1; 0 would be the last value of the window itself"
        require(type(self.delay) is int and self.delay >= 1, "data.delay", self.delay, told)

    def _read(self, key: str, name: str) -> Series:
        path = find_file(key, name)
        series = read_series(path, self.time, self.columns, self.target, self.gaps, self.mark)
        self.columns = series.columns  # a later file must have them too
        told = f"{path.name} has {len(series.values)} rows; a window and its target need {self.reach + 1}"
        require(len(series.values) > self.reach, "data.length", self.length, f"{told}; type a lower data.length")
        if self.missing == "fill":
            series.values = filled(series)
        self.provenance.setdefault("files", {})[path.name] = sha256(path)
        return series

    def _gather(self, values: np.ndarray, usable: "_Usable", rows: Mapping[str, list]) -> None:
        """Set the splits, from all values [rows, C] and the rows of each part."""
        assert self.columns is not None
        column = self.target_column = [*self.columns].index(self.target)
        training = np.concatenate([values[begin:end] for begin, end in rows["train"]])
        mean, scale = mean_and_scale(training)
        y = torch.from_numpy(values[:, column].astype(np.float32))
        scaled = (values - mean) / scale if self.standardize else values
        if self.standardize:
            self.scaling = torch.from_numpy(mean).float(), torch.from_numpy(scale).float()
        array = torch.from_numpy(np.nan_to_num(scaled).astype(np.float32))
        offsets = torch.from_numpy(np.arange(self.length) * self.sampling)
        for part, pieces in rows.items():
            starts = torch.from_numpy(np.concatenate([self._starts(piece, usable) for piece in pieces]))
            self._require_windows(part, starts, sum(end - begin for begin, end in pieces))
            targets = y[starts + self.reach]
            last = y[starts + (self.length - 1) * self.sampling]
            ordered = offsets[self._order()]
            own = targets - last if self.predict == "change" else targets
            self.splits[part] = (Gathered(array, starts, ordered), own)  # type: ignore[assignment]

    def _starts(self, piece: tuple[int, int], usable: "_Usable") -> np.ndarray:
        """Return the first rows of the windows that lie with their targets in rows [begin, end) and in one segment."""
        begin, end = piece
        starts = np.arange(begin, end - self.reach, self.stride)
        ends = starts + self.reach
        ok = (usable.segment[starts] == usable.segment[ends]) & ~usable.targetless[ends]
        for step in range(self.length):
            ok &= ~usable.incomplete[starts + step * self.sampling]
        return starts[ok]

    def _require_windows(self, part: str, starts: Tensor, num: int) -> None:
        key = {"test": "test_file", LATER: "later_file"}.get(part, "split")
        key = key if getattr(self, key) is not None else "split"
        value = getattr(self, key)
        told = f"no window of {part} is left in its {num} rows, {self.blocks} blocks; a window and its target need "
        told += f"{self.reach + 1} rows in a block, without a gap or a missing value"
        require(len(starts) > 0, f"data.{key}", list(value) if key == "split" else value, told)

    def _order(self) -> Tensor:
        if self.order == "shuffled":
            return torch.randperm(self.length, generator=generator(self.order_seed, "hours"))
        steps = torch.arange(self.length)
        return steps.flip(0) if self.order == "reversed" else steps

    def _reader(self) -> LastWindow:
        assert self.columns is not None
        offsets = np.arange(self.length)[self._order().numpy()] * self.sampling
        return LastWindow(
            columns=list(self.columns), target=self.target, offsets=offsets.tolist(), time=self.time,
            missing=self.missing, mark=self.mark, gaps=self.gaps,
        )  # fmt: skip

    def _note(self, first: Series) -> str:
        shares = "/".join(f"{share:g}" for share in self.split)
        of_blocks = f" in {self.blocks} blocks" if self.blocks > 1 else ""
        named = {"test": self.test_file, LATER: self.later_file}
        tests = "".join(f", {part} on {Path(name).name}" for part, name in named.items() if name)
        note = f"{', '.join(self.provenance['files'])}: {len(first.values):,} rows{first.told}; "
        note += f"windows of {self.length} samples, one in {self.sampling} rows, "
        note += f"{self.predict} of {self.target} {self.delay} samples later, "
        return f"{note}split {shares} in time{of_blocks}{tests}"

    @property
    def more_tests(self) -> Sequence[str]:
        """Return the names of splits that are tested besides `test`."""
        return [LATER] if LATER in self.splits else []


@dataclass
class _Usable:
    """Of each row [N]: its segment, whether a value is missing, and whether that of the target is."""

    segment: np.ndarray
    incomplete: np.ndarray
    targetless: np.ndarray


def _parts(num: int, split: Sequence[float], blocks: int, with_test: bool) -> dict[str, list[tuple[int, int]]]:
    """Return the rows [begin, end) of the pieces of each part, in time."""
    share = split[0] + split[1]
    before_test = round(num * share) if with_test else num
    edges = np.linspace(0, before_test, blocks + 1).round().astype(int).tolist()
    rows: dict[str, list[tuple[int, int]]] = {part: [] for part in PARTS}
    for begin, end in pairwise(edges):
        middle = begin + round((end - begin) * split[0] / share)
        rows["train"].append((begin, middle))
        rows["val"].append((middle, end))
    rows["test"] = [(before_test, num)]
    return rows
