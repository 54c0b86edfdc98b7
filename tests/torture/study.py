"""The study that is tortured: where it changes files when nothing disturbs it, and whether another came to the same."""

import csv
import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import util
from pathlib import Path

from commands import measured
from torture.forks import draw_little

CHANGES = {"open", "os.rename", "os.mkdir", "os.symlink", "os.remove"}  # audit events
EXACT = ("predictions.safetensors", "model.safetensors", "data.json")


@dataclass
class Whole:
    """The study that nothing disturbed."""

    folder: Path
    cpu_s: float
    places: list[str]  # where it changed files


def at_changes(act: Callable[[int, str, str], None]) -> None:
    """Calls act(i, event, path) before the i-th time that this process changes a file below its folder."""
    here, i = os.getcwd(), 0

    def hook(event: str, args: tuple) -> None:
        nonlocal i
        if event not in CHANGES or (event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        path = os.path.abspath(os.fsdecode(args[0])) if isinstance(args[0], str | bytes | os.PathLike) else ""
        if path.startswith(here):
            i += 1
            act(i, event, path)

    sys.addaudithook(hook)


def note_changes() -> None:
    """Writes down every change of a file, and the seconds of CPU that the whole took."""
    places: list[str] = []
    at_changes(lambda i, event, path: places.append(f"{event} {Path(path).name.lstrip('.').split('.')[0]}"))
    begun = _cpu_s()

    def note() -> None:
        Path("noted").write_text(json.dumps([_cpu_s() - begun, places]))

    util.Finalize(None, note, exitpriority=1)
    draw_little()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def differences(whole: Path, other: Path) -> list[str]:
    """Return the differences between two copies of one study, except times."""
    one, two = ((place / "outputs/torture/latest").resolve() for place in (whole, other))
    wrong = []
    for arm in ("plain", "bn"):
        wrong += [
            f"{arm}/{name}" for name in EXACT if (one / arm / name).read_bytes() != (two / arm / name).read_bytes()
        ]
        wrong += [f"{arm}: {read.__name__}" for read in READ if read(one / arm) != read(two / arm)]
    there = [{str(path.relative_to(study)) for path in study.rglob("*")} for study in (one, two)]
    wrong += [f"left over or missing: {name}" for name in there[0] ^ there[1] if "tfevents" not in name]
    left = [
        *other.glob("data/*"),
        *(other / "tmp").iterdir(),
        *(other / "outputs/torture").glob(".*"),
        *two.rglob(".*"),
    ]
    return wrong + [f"left over: {path}" for path in left if not path.name.startswith("cifar10.tgz")]


def _results(run: Path) -> dict:
    return measured(json.loads((run / "results.json").read_text()))


def _epochs(run: Path) -> list[list[str]]:
    with (run / "metrics.csv").open() as file:
        return [row for row in csv.reader(file) if row[1] != "time"]


def _config(run: Path) -> list[str]:
    """Ignore `resume`, which holds the folder."""
    return [line for line in (run / "config.yaml").read_text().splitlines() if not line.startswith("resume: ")]


def _rates(run: Path) -> str:
    path = run / "lr_search.csv"
    return path.read_text() if path.exists() else ""


READ = (_results, _epochs, _config, _rates)
