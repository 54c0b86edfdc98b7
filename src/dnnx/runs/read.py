"""Reads what runs left behind: run and study folders as plain dataclasses, with a note on all that is missing."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from pandas.api.types import is_numeric_dtype
from safetensors import SafetensorError
from safetensors.numpy import load_file

from dnnx.basics.errors import UserError
from dnnx.runs import schema
from dnnx.runs.files import parse_json

COLUMNS = ["epoch", "split", "metric", "seed", "value"]


@dataclass
class Run:
    """One arm. A file that is absent or unreadable leaves its field empty and a line in `missing` or `broken`."""

    name: str
    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    metrics: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))
    results: dict[str, list] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    predictions: dict[str, np.ndarray] = field(default_factory=dict)
    lr_search: pd.DataFrame | None = None  # there only where the learning rate was searched
    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        return self.results.get("seeds") or sorted(self.metrics["seed"].unique().tolist())

    @property
    def diverged(self) -> list[int]:
        epochs = self.values("epoch/diverged")
        return epochs.index[epochs.notna()].tolist()

    def values(self, metric: str) -> pd.Series:
        """Final values by seed; nan where not measured."""
        numbers = [np.nan if v is None else float(v) for v in self.results.get(metric, [None] * len(self.seeds))]
        return pd.Series(numbers, index=self.seeds, dtype=float)

    def one(self, metric: str) -> float:
        """The value of a metric that the whole run has once; nan where not measured."""
        values = [v for v in self.results.get(metric, []) if v is not None]
        return float(np.mean(values)) if values else np.nan

    def setting(self, key: str) -> Any:
        """What config.yaml says of a dotted key; None where it says nothing."""
        value: Any = self.config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    @property
    def hidden_layers(self) -> dict[str, list[str]]:
        """Names of the layers that callbacks.layer_statistics saw, from the bottom, under the run's name; those of each
        tower by themselves, under the run's name and the tower's.
        """
        found: dict[str, list[str]] = {}
        for name in map(str, self.metrics["split"].unique()):
            tower, is_layer, _ = name.rpartition("hidden_layers.")
            if is_layer:
                label = " ".join([self.name, *tower.replace("_", " ").split(".")]).strip()
                found.setdefault(label, []).append(name)
        return found

    def through_depth(self, layers: list[str], statistic: str, epochs: pd.Series) -> pd.DataFrame:
        """A statistic of some layers (rows) by seed, each seed's at its own epoch; or nan."""
        rows = self.metrics[(self.metrics["metric"] == statistic) & self.metrics["split"].isin(layers)]
        rows = rows[rows["epoch"] == rows["seed"].map(epochs)]
        table = rows.drop_duplicates(["split", "seed"], keep="last").pivot(
            index="split", columns="seed", values="value"
        )
        return table.reindex(index=layers, columns=self.seeds).replace([np.inf, -np.inf], np.nan)

    def curve(self, split: str, metric: str) -> pd.DataFrame:
        """One row per epoch, one column per seed; nan where a seed was not running or not finite."""
        rows = self.metrics[(self.metrics["split"] == split) & (self.metrics["metric"] == metric)]
        curve = rows.drop_duplicates(["epoch", "seed"], keep="last").pivot(
            index="epoch", columns="seed", values="value"
        )
        return curve.reindex(columns=self.seeds).replace([np.inf, -np.inf], np.nan)


@dataclass
class Study:
    """Arms that answer one question; `verdicts` are the declared {ask, metric, arm, than, expect[, than_metric]}.

    `axes` are the keys that were swept besides the arm.
    """

    name: str
    question: str
    reference: str
    runs: list[Run]
    verdicts: list[dict[str, str]]
    missing: list[str]
    axes: list[str] = field(default_factory=list)

    def run(self, name: str) -> Run | None:
        return next((run for run in self.runs if run.name == name), None)

    def along(self, axis: str) -> dict[str, dict[float, Run]]:
        """Runs by what else they are and by their value of a numeric axis; empty where there are no two numbers."""
        lines: dict[str, dict[float, Run]] = {}
        for run in self.runs:
            value = run.setting(axis)
            others = [f"{key.split('.')[-1]} {run.setting(key)}" for key in self.axes if key != axis]
            if schema.is_finite(value):
                lines.setdefault(", ".join([str(run.setting("arm") or "all"), *others]), {})[value] = run
        return lines if len({value for line in lines.values() for value in line}) > 1 else {}

    def along_zeros(self) -> dict[str, dict[float, Run]]:
        """Runs by their names but for the number in the end, and by the percentage of their weights that is not zero;
        empty where no weight is zero.
        """
        lines: dict[str, dict[float, Run]] = {}
        for run in self.runs:
            if (zeros := run.values("sparsity")).notna().any():
                left = float(f"{100 * (1 - zeros.mean()):.3g}")
                lines.setdefault(re.sub(r"[_-]?[\d.]+$", "", run.name), {})[left] = run
        return lines if any(left < 100 for line in lines.values() for left in line) else {}


def read_run(folder: Path, name: str) -> Run:
    run = Run(name, folder)
    parsers: dict[str, tuple[str, Callable[[Path], Any]]] = {
        "config.yaml": ("config", lambda path: schema.mapping(yaml.safe_load(schema.yaml_text(path.read_text())))),
        "environment.json": ("environment", lambda path: schema.mapping(parse_json(path))),
        "data.json": ("data", lambda path: schema.data(parse_json(path))),
        "results.json": ("results", lambda path: schema.results(parse_json(path))),
        "predictions.safetensors": ("predictions", lambda path: schema.predictions(load_file(path))),
        "metrics.csv": ("metrics", _metrics),
        "lr_search.csv": ("lr_search", _lr_search),
    }
    for file, (attribute, parse) in parsers.items():
        if not (folder / file).is_file():
            if file == "lr_search.csv":
                continue
            unfinished = " (the run has not finished)" if file == "results.json" else ""
            run.missing.append(f"{name}: {file} is missing{unfinished}")
            continue
        try:
            setattr(run, attribute, parse(folder / file))
        except UNREADABLE as error:
            run.broken.append(f"{name}: {file} cannot be read: {' '.join(str(error).split())}")
    if bad := run.metrics.attrs.get("bad"):
        run.broken.append(f"{name}: metrics.csv, line {bad[0]}: no valid row; {len(bad)} such lines are left out")
    if "probabilities" in run.predictions and len(run.predictions["probabilities"]) != len(run.seeds):
        run.missing.append(f"{name}: predictions.safetensors is not of {len(run.seeds)} seeds")
        run.predictions = {}
    return run


# Beside what is expected, safetensors raises KeyError and TypeError for data types that NumPy has not.
UNREADABLE = (ValueError, OSError, yaml.YAMLError, SafetensorError, RecursionError, KeyError, TypeError, OverflowError)


def read_study(folders: Sequence[Path], declared: dict | None = None, reference: str | None = None) -> Study:
    """All runs in `folders`, which are run or study folders; one study folder alone brings its own question."""
    if declared is None and len(folders) == 1 and (folders[0] / "study.json").is_file():
        declared = _declared(folders[0])
    declared = declared or {}
    missing: list[str] = []
    paths = [path for folder in folders for path in _runs_below(folder, missing)]
    if repeated := [str(path) for path, count in Counter(paths).items() if count > 1]:
        raise UserError(f"{repeated[0]} is given twice; give every run once")
    names = _names(paths)
    wanted = reference or declared.get("reference") or _reference(folders[0], paths, names)
    if wanted not in names:
        if reference or not declared:
            raise UserError(f"--reference {wanted}: no such arm; choose one of {', '.join(names)}")
        missing.append(f"{wanted}: the reference arm is missing; {names[0]} takes its place")
        wanted = names[0]
    runs = [read_run(path, name) for path, name in zip(paths, names, strict=True)]
    return Study(
        name=declared.get("name") or " and ".join(dict.fromkeys(_study_name(path) for path in paths)),
        question=declared.get("question") or "",
        reference=wanted,
        runs=runs,
        verdicts=declared.get("verdicts") or [],
        missing=missing + [line for run in runs for line in run.missing],
        axes=declared.get("axes") or [],
    )


def is_run(folder: Path) -> bool:
    return (folder / "metrics.csv").is_file() or (folder / "results.json").is_file()


def _runs_below(folder: Path, missing: list[str]) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give a run or study folder, such as outputs/bn_vs_plain/latest")
    if is_run(folder):
        return [folder.resolve()]
    if (folder / "study.json").is_file():
        arms = [folder.resolve() / arm for arm in _declared(folder)["arms"]]
    else:
        arms = sorted(path for path in folder.resolve().iterdir() if is_run(path))
    missing += [f"{arm.name}: the arm has left neither metrics.csv nor results.json" for arm in arms if not is_run(arm)]
    if not (found := [arm for arm in arms if is_run(arm)]):
        raise UserError(f"{folder}: no run, for neither it nor a folder in it holds metrics.csv or results.json")
    return found


def _declared(folder: Path) -> dict[str, Any]:
    try:
        return schema.study(parse_json(folder / "study.json"))
    except UNREADABLE as error:
        told = " ".join(str(error).split())
        raise UserError(f"{folder / 'study.json'} cannot be read: {told}; give its run folders instead") from None


def _study_name(run: Path) -> str:
    """`outputs/<study>/<time>[/<arm>]`: the study; elsewhere the folder's own name."""
    above = run if _is_time(run.name) else run.parent
    return above.parent.name if _is_time(above.name) else above.name


def _is_time(name: str) -> bool:
    return re.match(r"\d{4}-?\d{2}-?\d{2}", name) is not None


def _names(paths: list[Path]) -> list[str]:
    """Arm names from folder names; where two are equal, the study's name comes before, then its time too."""
    short = [_study_name(path) if _is_time(path.name) else path.name for path in paths]
    middle = [f"{_study_name(path)}/{path.name}" for path in paths]
    long = ["/".join(path.parts[-3:]) for path in paths]
    for better in (middle, long):
        count = Counter(short)
        short = [name if count[name] == 1 else other for name, other in zip(short, better, strict=True)]
    return short


def _reference(first: Path, paths: list[Path], names: list[str]) -> str:
    """The first study's own reference, whatever it is called among all the arms; else the first arm."""
    if (first / "study.json").is_file():
        path = first.resolve() / str(_declared(first).get("reference"))
        return names[paths.index(path)] if path in paths else names[0]
    return names[0]


def _lr_search(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path)
    if list(frame.columns) != ["stage", "lr", "seed", "loss"]:
        raise ValueError(f"its columns are {', '.join(frame.columns)}, not stage, lr, seed, loss")
    rates = frame["lr"]
    if (
        not all(is_numeric_dtype(frame[name]) for name in ("lr", "seed", "loss"))
        or not rates.between(0, schema.HIGHEST_RATE, "right").all()
    ):
        raise ValueError("a rate above 0, a seed and a loss must be numbers")
    if frame.duplicated(["stage", "lr", "seed"]).any():
        raise ValueError("a seed has two losses at one rate")
    return frame


def _metrics(path: Path) -> pd.DataFrame:
    """The valid rows; the line numbers of all others are in `attrs["bad"]`."""
    head, *lines = path.read_text().splitlines() or [""]
    if head.split(",") != COLUMNS:
        raise ValueError(f"its first line is '{head[:60]}', not {','.join(COLUMNS)}")
    cells = [line.split(",") for line in lines]
    text = pd.DataFrame(
        [c if len(c) == len(COLUMNS) else [""] * len(COLUMNS) for c in cells], columns=COLUMNS, dtype=str
    )
    frame = text.copy()
    for column in ("epoch", "seed", "value"):
        frame[column] = pd.to_numeric(text[column], errors="coerce")
    unread = ~(frame[["epoch", "seed"]].abs() < 2**53).all(axis=1) | (
        frame["value"].isna() & (text["value"].str.lower() != "nan")
    )
    frame = frame[~unread].astype({"epoch": int, "seed": int, "value": float}).reset_index(drop=True)
    frame.attrs["bad"] = (np.flatnonzero(unread) + 2).tolist()
    return frame
