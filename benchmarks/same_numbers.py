"""python -m benchmarks.same_numbers keep FOLDER [PATTERN ...] [jobs=2], then compare FOLDER_A FOLDER_B.

A refactor must not change a number. `keep` runs every experiment of conf/exp in a small form with the dnnx that Python
finds, and leaves the numbers of every run in FOLDER/<experiment>/<run>/. `compare` tells what two such folders differ
in, times and memory apart; its exit code is 0 where nothing differs, else 1.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from safetensors.numpy import load_file

import dnnx

CONF = Path(dnnx.__file__).parents[2] / "conf"
TRAIN = [sys.executable, "-m", "dnnx.train"]
KEPT = ("results.json", "metrics.csv", "model.safetensors", "predictions.safetensors")
CLOCK = ("time/", "memory/")  # what no two runs have in common
KNOWS_JOBS = "jobs" in yaml.safe_load((CONF / "train.yaml").read_text())  # not so a checkout without workers
SMALL = ["seeds=2", "trainer.max_epochs=3", "trainer.accelerator=cpu", *(["jobs=1"] if KNOWS_JOBS else [])]
OWN = {  # what an experiment needs so that few images and epochs do; it wins over SMALL
    "optimizers": ["lr_search.epochs=1"],
    "pretext": ["data.val_per_class=20"],
    "pretraining": ["data.train_per_class=5,20", "data.val_per_class=20"],
    "schedules": ["trainer.max_epochs=14", "lr_search.epochs=2"],  # rates fall in epochs 8 and 12
    "sparse": ["trainer.max_epochs=22"],  # weights are pruned up to epoch 21
    "transfer_depth": ["data.train_per_class=10,30"],
}
EXTRA = {  # what no experiment does
    "dense5_mc_dropout": ["mc_dropout=10", "net.dropout=0.1"],
    "dense5_rates": ["-m", "optimizer.lr=1e-4,1e-3"],
    "dense5_lr_search": ["lr_search=true", "lr_search.steps=40", "lr_search.factors=[0.3,1]", "lr_search.epochs=1"],
    "dense5_stops": ["trainer.max_epochs=60", "optimizer.lr=3e-3", "callbacks.early_stopping.patience=1"],
    "dense5_diverges": ["seeds=6", "optimizer=momentum", "optimizer.lr=0.05"],  # one seed does
    "dense5_layer_norm": ["net.norm=layer", "net.dropout=0.2", "net.dropout_layers=2", "data.standardize=true"],
    "dense5_schedules": ["-m", "scheduler=inverse_time,polynomial,step,warm_restarts,warm_up"],
}


class Experiment(NamedTuple):
    """One command: what is typed, and the experiment whose backbone it needs."""

    name: str
    typed: list[str]
    needs: str | None = None


def main() -> int:
    verb, *words = [word for word in sys.argv[1:] if not word.startswith("jobs=")] or [""]
    jobs = [int(word.removeprefix("jobs=")) for word in sys.argv[1:] if word.startswith("jobs=")]
    if verb == "keep" and words:
        return keep(Path(words[0]).absolute(), words[1:] or ["*"], *jobs)
    if verb == "compare" and len(words) == 2:
        return compare(Path(words[0]), Path(words[1]))
    print(__doc__)
    return 2


def keep(folder: Path, patterns: list[str], jobs: int = 1) -> int:
    """Runs what a pattern matches, after what that needs; returns 1 where a run failed."""
    print(f"{Path(dnnx.__file__).parent} runs", flush=True)
    shutil.rmtree(folder / "being_made", ignore_errors=True)
    known, started = {experiment.name: experiment for experiment in experiments()}, time.monotonic()
    order: TopologicalSorter[str] = TopologicalSorter()
    for name in (name for name in known if any(fnmatch(name, pattern) for pattern in patterns)):
        order.add(name)
        while needs := known[name].needs:
            order.add(name, needs)
            name = needs
    order.prepare()
    failed: set[str | None] = set()
    while wave := order.get_ready():
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda name: keep_one(known[name], folder, failed), wave))
        order.done(*wave)
    shutil.rmtree(folder / "being_made", ignore_errors=True)
    kept = len(list(folder.glob("*/*/results.json")))
    print(f"{kept} runs in {folder}, {time.monotonic() - started:.0f} s; failed: {sorted(map(str, failed)) or 'none'}")
    return int(bool(failed) or not kept)


def experiments() -> Iterator[Experiment]:
    """Every experiment of conf/exp, wherever it lies there, in its small form; then the extra ones."""
    for path in sorted((CONF / "exp").rglob("*.yaml"), key=lambda path: path.stem):
        cfg = yaml.safe_load(subprocess.check_output([*TRAIN, f"+exp={path.stem}", "--cfg", "job"]))
        source = "synthetic" if cfg["data"]["source"] == "cifar10" else "digits"
        few = ["data.train_size=300"] if cfg["data"].get("train_size") else []
        typed = [f"+exp={path.stem}", *SMALL, f"data.source={source}", *few, *OWN.get(path.stem, [])]
        yield Experiment(path.stem, typed, cfg["study"]["needs"])
    for name, more in EXTRA.items():
        yield Experiment(name, ["+exp=dense5", *SMALL, "data.source=digits", f"name={name}", *more])


def keep_one(experiment: Experiment, folder: Path, failed: set[str | None]) -> None:
    """Runs one experiment in a process of one thread and keeps its numbers; says what went wrong, and goes on."""
    (name, typed, needs), outputs, started = experiment, folder / "being_made", time.monotonic()
    shutil.rmtree(folder / name, ignore_errors=True)
    said = f"FAILED with {needs}, whose backbone it needs"
    if needs not in failed:  # dnnx.train would run it, and not in its small form
        command = [*TRAIN, *typed, f"paths.outputs={outputs}", f"paths.data={outputs}"]
        done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
        copied = copy_numbers(outputs / name / "latest", folder / name)
        said = f"{copied} runs, {time.monotonic() - started:.0f} s"
        said += f", FAILED, exit code {done.returncode}: {done.stderr[-2000:]}" if done.returncode or not copied else ""
    failed |= {name} if "FAILED" in said else set()
    print(f"{name}: {said}", flush=True)


def copy_numbers(made: Path, place: Path) -> int:
    """Copies the kept files of each finished run, the arms of a study by their names; returns how many there are."""
    runs = [path.parent for path in [*made.glob("results.json"), *made.glob("*/results.json")]]
    for run in runs:
        to = place / ("single" if run == made else run.name)
        to.mkdir(parents=True)
        for path in (run / name for name in KEPT if (run / name).exists()):
            shutil.copyfile(path, to / path.name)
    return len(runs)


def compare(a: Path, b: Path) -> int:
    """Prints, run by run, whether it left the same in both folders; returns 1 where anything differs."""
    runs = [{str(path.parent.relative_to(side)) for path in side.glob("*/*/results.json")} for side in (a, b)]
    different = 0
    for name in sorted(runs[0] | runs[1]):
        sides = [side for side, own in zip((a, b), runs, strict=True) if name in own]
        lines = list(differences(*(read(side / name) for side in sides))) if sides[1:] else [f"only in {sides[0]}"]
        different += bool(lines)
        print("\n    ".join([f"{name}: {'differs' if lines else 'same'}", *lines]))
    print(f"{len(runs[0] | runs[1])} runs, {different} differ")
    return int(different > 0 or not runs[0])


def read(run: Path) -> dict[str, Any]:
    """All values that a run left, tensors and nested lists, by file and key; of each file also its own name."""
    values: dict[str, Any] = {}
    for path in (run / name for name in KEPT if (run / name).exists()):
        found = load_file(path) if path.suffix == ".safetensors" else read_text(path)
        values |= {path.name: []} | {f"{path.name} {key}": found[key] for key in found if not key.startswith(CLOCK)}
    return values


def read_text(path: Path) -> dict[str, list]:
    """What results.json holds, or of each metric in metrics.csv its rows: epoch, seed and value, in their order."""
    if path.suffix == ".json":
        return json.loads(path.read_text())
    curves: dict[str, list] = {}
    for epoch, split, metric, seed, value in csv.reader(path.read_text().splitlines()[1:]):
        curves.setdefault(f"{split}/{metric}", []).append([epoch, seed, value])
    return curves


def exact(value: Any) -> bytes:
    """What two values must have in common: of a tensor every bit, its type and shape."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}".encode() + value.tobytes()
    return json.dumps(value).encode()


def numbers(value: Any) -> np.ndarray:
    """The numbers in a tensor, or in nested lists, one after the other; nan for null."""
    if isinstance(value, np.ndarray):
        return value.astype(float)
    if isinstance(value, list):
        return np.concatenate([np.empty(0), *map(numbers, value)])
    return np.array([np.nan if value is None else float(value)])


def differences(one: dict[str, Any], two: dict[str, Any]) -> Iterator[str]:
    """A line for each key that one side lacks, or whose values differ."""
    for key in sorted(one.keys() | two.keys()):
        if key not in one or key not in two:
            yield f"{key}: only in the {'first' if key in one else 'second'}"
        elif exact(one[key]) != exact(two[key]):
            yield f"{key}: {distance(numbers(one[key]), numbers(two[key]))}"


def distance(x: np.ndarray, y: np.ndarray) -> str:
    """How far apart two arrays are; where their numbers are equal, their type, order or a zero's sign is not."""
    if x.shape != y.shape:
        return f"shape {x.shape} against {y.shape}"
    unlike = ~((x == y) | (np.isnan(x) & np.isnan(y)))
    apart = np.abs(x[unlike] - y[unlike])
    return f"max abs difference {np.max(apart, initial=0):g}, in {apart.size} of {x.size} numbers"


if __name__ == "__main__":
    sys.exit(main())
