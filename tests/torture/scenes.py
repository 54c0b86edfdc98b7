"""Commands that tries disturb: the folder in which each begins, the folder that it writes, and its undisturbed end."""

import csv
import io
import json
import os
import re
import shutil
import signal
import time
from dataclasses import dataclass
from multiprocessing import util
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from commands import measured
from PIL import Image
from torture import disk
from torture.forks import CONF, draw_little, run
from torture.study import at_changes

from dnnx.tuning.book import open_storage, was_interrupted

SMALL = ("data.source=digits", "data.batch_size=64", "trainer.accelerator=cpu", "seeds=2")
DENSE = ("+exp=dense5", *SMALL, "net.hidden=[6,6]", "net.dropout=0.2", "trainer.max_epochs=3",
         "callbacks.checkpoint.every_s=0", "report=false")  # fmt: skip
MOVED = ("+exp=dense5", *SMALL[:1], *SMALL[2:], "data=mnist59", "data.source=digits", "data.train_per_class=20",
         "data.val_per_class=10", "data.batch_size=16", "net=backbone", "+technique=pretrained", "backbone=done",
         "trainer.max_epochs=2", "callbacks.checkpoint.every_s=0", "report=false")  # fmt: skip
TUNED = ("--config-dir", "mine", "+exp=dense5", "+sweep=tiny", "trainer.accelerator=cpu", "seeds=1", "n_trials=2",
         "retrain=false", 'trial=["trainer.max_epochs=2"]')  # fmt: skip


@dataclass(frozen=True)
class Command:
    """`reads` and `writes` are folders in the one where the command starts; `reads` is there before."""

    module: str
    words: tuple[str, ...]
    writes: str
    reads: str = ""
    resumes: bool = False  # a death is gone on from by resume=


COMMANDS = {
    "train": Command("train", (*DENSE, "hydra.run.dir=made"), "made", resumes=True),
    "resume": Command("train", ("resume=part", "report=false"), "part", "part"),
    "more seeds": Command("train", ("resume=done", "seeds=3", "report=false"), "done", "done"),
    "backbone": Command("train", (*MOVED, "hydra.run.dir=made"), "made", "done", resumes=True),
    "evaluate": Command("evaluate", ("run=done", "mc_dropout=2", "accelerator=cpu"), "done", "done"),
    "predict": Command("commands.predict", ("run=done", "digit.png", "out=answers/a.csv"), "answers", "done"),
    "export": Command("commands.export", ("run=done", "format=safetensors", "out=nets/a.safetensors"), "nets", "done"),
    "compare": Command("compare", ("done", "--out", "compared"), "compared", "done"),
    "tune": Command("tune", (*TUNED, "hydra.run.dir=tuned"), "tuned"),
    "go on tuning": Command("tune", (*TUNED, "hydra.run.dir=tuned"), "tuned", "tuned"),
    "tune in SQLite": Command("tune", (*TUNED, "hydra.run.dir=tuned", "storage=sqlite:///tuned/t.db"), "tuned"),
}


@dataclass(frozen=True)
class Scene:
    """A command with its undisturbed end in `whole`; `begins` is copied for each try."""

    command: Command
    begins: Path
    whole: Path
    seconds: float
    cpu_s: float
    changes: int  # times that it changes a file
    calls: dict[int, int]  # of the disk, by kind

    def place(self, folder: Path) -> Path:
        shutil.copytree(self.begins, folder, symlinks=True)
        return folder


def scenes(folder: Path) -> dict[str, Scene]:
    """Make the folders in which commands begin, and run each once without a disturbance."""
    base = folder / "base"
    shutil.copytree(CONF / "sweep", base / "mine" / "sweep")
    Image.fromarray((np.arange(64, dtype=np.uint8) * 4).reshape(8, 8)).save(base / "digit.png")
    _ended(0, run("train", *DENSE, "hydra.run.dir=done", cwd=base, before=draw_little))
    _ended(-9, run("train", *DENSE, "hydra.run.dir=part", cwd=base, before=_die_in_third_epoch))
    _ended(0, run("tune", *TUNED, "n_trials=1", "hydra.run.dir=tuned", cwd=base, before=draw_little))
    made = {}
    for name, command in COMMANDS.items():
        begins = folder / "begins" / name
        shutil.copytree(base, begins, symlinks=True)
        for other in {"done", "part", "tuned"} - {command.reads}:
            shutil.rmtree(begins / other)
        (begins / "log").unlink()
        whole = folder / "whole" / name / "here"  # the title of a report is the name of the folder
        shutil.copytree(begins, whole, symlinks=True)
        started = time.monotonic()
        _ended(0, run(command.module, *command.words, cwd=whole, before=_note))
        seconds = time.monotonic() - started
        cpu_s, changes, calls = json.loads((whole / "noted").read_text())
        made[name] = Scene(command, begins, whole, seconds, cpu_s, changes, {int(k): n for k, n in calls.items()})
    return made


def _ended(code: int, end: tuple[int, str]) -> None:
    assert end[0] == code, end


def _die_in_third_epoch() -> None:
    saved = 0

    def act(i: int, event: str, path: str) -> None:
        nonlocal saved
        saved += event == "os.rename" and ".last.ckpt." in path
        if saved == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    draw_little()
    at_changes(act)


def _note() -> None:
    """Write down how often the command changes files and calls the disk, and its seconds of CPU."""
    changes = 0

    def count(i: int, event: str, path: str) -> None:
        nonlocal changes
        changes = i

    begun = time.process_time()
    at_changes(count)
    if disk.library():
        disk.begin()

    def note() -> None:
        calls = disk.counted() if disk.library() else {}
        Path("noted").write_text(json.dumps([time.process_time() - begun, changes, calls]))

    util.Finalize(None, note, exitpriority=1)
    draw_little()


def go_on(scene: Scene, folder: Path) -> tuple[str, ...]:
    """Return the words that go on after a disturbance, or repeat the command."""
    if scene.command.resumes and (folder / scene.command.writes / "config.yaml").exists():
        return (f"resume={scene.command.writes}", "report=false")
    if scene.command.module == "compare":  # it takes no folder that holds a report
        shutil.rmtree(folder / scene.command.writes, ignore_errors=True)
    return scene.command.words


def differences(scene: Scene, folder: Path) -> list[str]:
    """Return how the end of a command differs from the undisturbed one, times aside; and files that are left over."""
    one, two = (place / scene.command.writes for place in (scene.whole, folder))
    there = [{str(p.relative_to(place)) for p in place.rglob("*") if p.is_file()} for place in (one, two)]
    there = [{name for name in names if not _is_free(name)} for names in there]
    left = [*folder.rglob(".*"), *(folder / "tmp").iterdir()]
    wrong = [f"left over: {path.relative_to(folder)}" for path in left if path.name != ".hydra"]
    if scene.command.module == "tune":
        return wrong + [name for name, read in TUNING.items() if read(one) != read(two)]
    wrong += [f"left over or missing: {name}" for name in sorted(there[0] ^ there[1])]
    return wrong + [name for name in sorted(there[0] & there[1]) if contents(one / name) != contents(two / name)]


def torn(scene: Scene, folder: Path) -> list[str]:
    """Return the files of a command that only writes results which are neither absent nor whole."""
    if scene.command.writes not in ("answers", "nets", "compared"):
        return []
    one, two = (place / scene.command.writes for place in (scene.whole, folder))
    found = [path for path in two.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return [f"torn: {path.name}" for path in found if contents(path) != contents(one / path.relative_to(two))]


def _is_free(name: str) -> bool:
    """Return whether two undisturbed runs may differ in a file."""
    return "tfevents" in name or name.startswith("tensorboard/") or Path(name).name == "environment.json"


def contents(path: Path) -> Any:
    """Return what two undisturbed runs agree on in a file."""
    if path.name in ("results.json", "mc_dropout.json"):
        return measured(json.loads(path.read_text()))
    if path.name == "metrics.csv":
        return [row for row in csv.reader(io.StringIO(path.read_text())) if row[1] != "time"]
    if path.name == "config.yaml":
        lines = re.sub(r"/\S*/here/", "", path.read_text()).splitlines()  # a backbone is named by its whole path
        return [line for line in lines if not line.startswith(("resume: ", "seeds: "))]
    return path.is_file() if path.suffix in (".ckpt", ".html") else path.read_bytes()


def trials(folder: Path) -> list[tuple]:
    """Return the trials of a tuning that count."""
    import optuna

    storage = f"sqlite:///{folder / 't.db'}" if (folder / "t.db").exists() else None
    study = optuna.load_study(study_name="dense5", storage=open_storage(storage, folder))
    return [(t.params, t.values, t.state.name, t.intermediate_values) for t in study.trials if not was_interrupted(t)]


def _best(folder: Path) -> Any:
    return yaml.safe_load((folder / "best.yaml").read_text())


TUNING = {"trials": trials, "best.yaml": _best}
