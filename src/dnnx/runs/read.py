"""Read run and study folders into plain dataclasses, with a note for each missing or broken file."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from pandas.api.types import is_numeric_dtype
from safetensors import SafetensorError
from safetensors.numpy import load_file

from dnnx.basics.errors import UserError, message_of
from dnnx.runs import schema, shard_files
from dnnx.runs.files import parse_json
from dnnx.runs.looks import Looks
from dnnx.runs.run import COLUMNS, Run, Study

OPTIONAL = ("lr_search.csv", "earlier_results.json")


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
        "earlier_results.json": ("earlier", lambda path: schema.earlier_results(parse_json(path))),
    }
    for file, (attribute, parse) in parsers.items():
        if not (folder / file).is_file():
            if file in OPTIONAL or (file == "predictions.safetensors" and _is_own_module(run)):
                continue
            unfinished = " (the run has not finished)" if file == "results.json" else ""
            run.missing.append(f"{name}: {file} is missing{unfinished}")
            continue
        try:
            setattr(run, attribute, parse(folder / file))
        except UNREADABLE as error:
            run.broken.append(f"{name}: {file} cannot be read: {message_of(error)}")
    if bad := run.metrics.attrs.get("bad"):
        run.broken.append(f"{name}: metrics.csv, line {bad[0]}: no valid row; {len(bad)} such lines are left out")
    run.metrics = _counted(run)
    if "probabilities" in run.predictions and len(run.predictions["probabilities"]) != len(run.seeds):
        run.missing.append(f"{name}: predictions.safetensors does not hold {len(run.seeds)} seeds")
        run.predictions = {}
    run.parts = list(filter(None, map(_seeds_of_shard, shard_files.folders(folder))))
    return run


def _counted(run: Run) -> pd.DataFrame:
    """Return the rows of metrics.csv up to the last epoch of each seed in the results.

    More epochs of a finished run that ended in an error leave rows that belong to no result. An arm that trained with
    others as one network has no seconds of its own.
    """
    if run.is_merged:
        run.metrics = run.metrics[run.metrics["split"] != "time"]
    lasts = zip(run.seeds, run.results.get("epoch/last", []), strict=False)
    last = run.metrics["seed"].map({seed: epoch for seed, epoch in lasts if type(epoch) is int})
    later = run.metrics["epoch"] > last  # False where a seed has none
    return run.metrics[~later].reset_index(drop=True) if later.any() else run.metrics


def _seeds_of_shard(folder: Path) -> list[int]:
    """Return the seeds of a shard, or none where its results cannot be read."""
    with suppress(*UNREADABLE):
        return schema.results(parse_json(folder / "results.json")).get("seeds", [])
    return []


def _is_own_module(run: Run) -> bool:
    """Return whether a run trained the user's own LightningModule. Reports cannot read the predictions of one."""
    target = run.setting("module._target_")
    return target is not None and not str(target).startswith("dnnx.")


# safetensors also raises KeyError and TypeError, for data types that NumPy lacks.
UNREADABLE = (ValueError, OSError, yaml.YAMLError, SafetensorError, RecursionError, KeyError, TypeError, OverflowError)


def read_study(folders: Sequence[Path], declared: dict | None = None, reference: str | None = None) -> Study:
    """Return all runs in `folders`, which are run or study folders. A single study folder brings its own question."""
    if declared is None and len(folders) == 1 and (folders[0] / "study.json").is_file():
        declared = declaration(folders[0])
    declared = declared or {}
    missing: list[str] = []
    paths = _once([path for folder in folders for path in _runs_below(folder, missing)])
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
    absent = [arm for arm in declared.get("arms") or [] if arm not in names]
    return Study(
        name=declared.get("name") or " and ".join(dict.fromkeys(_study_name(path) for path in paths)),
        question=declared.get("question") or "",
        reference=wanted,
        runs=runs,
        verdicts=declared.get("verdicts") or [],
        missing=missing + [line for run in runs for line in run.missing],
        axes=declared.get("axes") or [],
        looks=Looks.of(declared.get("looks")),
        unfinished=[*absent, *(run.name for run in runs if not run.results and not run.broken)],
        published=declared.get("published") or {},
        epochs=declared.get("epochs") or {},
    )


def is_run(folder: Path) -> bool:
    return (folder / "metrics.csv").is_file() or (folder / "results.json").is_file()


def _runs_below(folder: Path, missing: list[str]) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give a run or study folder, such as outputs/bn_vs_plain/latest")
    if is_run(folder):
        return [folder.resolve()]
    if (folder / "study.json").is_file():
        arms = [folder.resolve() / arm for arm in declaration(folder)["arms"]]
    else:
        arms = sorted(path for path in folder.resolve().iterdir() if is_run(path))
    missing += [f"{arm.name}: the arm has neither metrics.csv nor results.json" for arm in arms if not is_run(arm)]
    if not (found := [arm for arm in arms if is_run(arm)]):
        raise UserError(f"{folder}: no run, for neither it nor a folder in it holds metrics.csv or results.json")
    return found


def _once(paths: Sequence[Path]) -> list[Path]:
    """Return the paths without each link, such as `latest`, to a run that is found without it."""
    found, kept = {path for path in paths if not path.is_symlink()}, []
    for path in paths:
        if not path.is_symlink() or path.resolve() not in found:
            kept.append(path)
            found.add(path.resolve())
    return kept


def declaration(folder: Path) -> dict[str, Any]:
    """Return the checked content of a study's study.json."""
    try:
        return schema.study(parse_json(folder / "study.json"))
    except UNREADABLE as error:
        told = message_of(error)
        raise UserError(f"{folder / 'study.json'} cannot be read: {told}; give its run folders instead") from None


def _study_name(run: Path) -> str:
    """Return the study's name from `outputs/<study>/<time>[/<arm>]`. For any other path return the folder's name."""
    above = run if _is_time(run.name) else run.parent
    return above.parent.name if _is_time(above.name) else above.name


def _is_time(name: str) -> bool:
    return re.match(r"\d{4}-?\d{2}-?\d{2}", name) is not None


def _names(paths: list[Path]) -> list[str]:
    """Return arm names from folder names. Equal names get the study's name as a prefix, then also its time."""
    short = [_study_name(path) if _is_time(path.name) else path.name for path in paths]
    middle = [f"{_study_name(path)}/{path.name}" for path in paths]
    long = ["/".join(path.parts[-3:]) for path in paths]
    for better in (middle, long):
        count = Counter(short)
        short = [name if count[name] == 1 else other for name, other in zip(short, better, strict=True)]
    return short


def _reference(first: Path, paths: list[Path], names: list[str]) -> str:
    """Return the name of the first study's reference among all the arms, or the first arm if there is none."""
    if (first / "study.json").is_file():
        path = first.resolve() / str(declaration(first).get("reference"))
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
    """Return the valid rows of metrics.csv. `attrs["bad"]` holds the line numbers of the others."""
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
