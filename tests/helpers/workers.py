"""Commands with workers that die or stand still in an epoch, and what is left of their processes."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

# A callback of the user's own, in the current folder: kills its process in an epoch of an arm, once, or waits there.
DYING = """
import os, signal, time
from pathlib import Path
import lightning.pytorch as pl

class Dying(pl.Callback):
    def on_train_epoch_start(self, trainer, module):
        arm = Path(trainer.default_root_dir).name
        if trainer.current_epoch == 2 and Path(f"die-{arm}").exists():
            Path(f"die-{arm}").unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def on_train_batch_start(self, trainer, *_):
        arm = Path(trainer.default_root_dir).name
        if trainer.current_epoch == 2 and Path("wait").exists():
            Path(f"{arm}.pid").write_text(str(os.getpid()))
            time.sleep(60)
"""
DIES = "+callbacks.dying._target_=dying.Dying"
TRUSTED = "packages=[dying]"


def rows(run: Path) -> list[list[str]]:
    with (run / "metrics.csv").open() as file:
        return [row for row in csv.reader(file) if row[1] != "time"]


def start(folder: Path, *words: str, module: str = "train") -> subprocess.Popen[str]:
    """Start a command of these words as a user would, in a process of its own."""
    (folder / "dying.py").write_text(DYING)
    return subprocess.Popen(
        [sys.executable, "-m", f"dnnx.{module}", *words], cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=hear_ctrl_c,
    )  # fmt: skip


def hear_ctrl_c() -> None:
    """Undo that a shell lets its background jobs ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_for_workers(folder: Path, jobs: Sequence[str] = ("plain", "bn")) -> list[int]:
    """Return the processes of a study that stands still, once its jobs are in their third epoch: foreman, workers."""
    paths = [folder / f"{job}.pid" for job in jobs]
    until = time.monotonic() + 120
    while not all(path.exists() and path.read_text() for path in paths):
        assert time.monotonic() < until
        time.sleep(0.05)
    workers = [int(path.read_text()) for path in paths]
    return [next(of["parent"] for of in _processes() if of["pid"] == workers[0]), *workers]


def children(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`."""
    return [of["pid"] for of in _processes() if of["parent"] == pid]


def of_sessions(sessions: list[int]) -> list[int]:
    """Return the processes of these sessions, zombies included. A foreman has a session of its own."""
    return [of["pid"] for of in _processes() if of["session"] in sessions]


def _processes() -> list[dict[str, int]]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):  # it has ended
            _, parent, _, session, *_ = path.read_text().rpartition(")")[2].split()
            found.append({"pid": int(path.parent.name), "parent": int(parent), "session": int(session)})
    return found


def wait_for_end(pids: list[int], seconds: float) -> list[int]:
    """Return those processes that are still there after some seconds, zombies included."""
    until = time.monotonic() + seconds
    while (left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]) and time.monotonic() < until:
        time.sleep(0.05)
    return left
