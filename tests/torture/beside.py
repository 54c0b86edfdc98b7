"""A study in worker processes that start at once, as copies of a warm process, and the end of each of them."""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from torture.forks import draw_little, run, start
from workers import children, hear_ctrl_c, of_sessions

# Two shards of each of two arms.
STUDY = ("train", "--config-dir", "mine", "+exp=torture", "paths.data=data", "seeds=6", "jobs=2")
Disturb = Callable[[BaseProcess, random.Random], int]  # returns the number of the signal that it sent


class Copy:
    """Stands for the process of a foreman. Its imports take seconds, which a copy of a warm process need not take."""

    def __init__(self, _: Any, pass_fds: list[int], **__: Any):
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                os.closerange(3, pass_fds[0])
                os.closerange(pass_fds[0] + 1, 1024)
                from dnnx.studies.foreman import serve

                serve(pass_fds[0])
            finally:
                os._exit(1)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        os.waitpid(self.pid, 0)


def warm() -> None:
    """Let foremen be copies of this process, and figures empty."""
    from dnnx.studies import pool

    hear_ctrl_c()
    draw_little()
    pool.subprocess = SimpleNamespace(Popen=Copy, DEVNULL=None)  # type: ignore[assignment]


def kill_worker(process: BaseProcess, draw: random.Random) -> int:
    return _kill(process, lambda: [pid for foreman in children(process.pid or 0) for pid in children(foreman)], draw)


def kill_foreman(process: BaseProcess, draw: random.Random) -> int:
    return _kill(process, lambda: children(process.pid or 0), draw)


def kill_parent(process: BaseProcess, draw: random.Random) -> int:
    return _kill(process, lambda: [process.pid or 0], draw)


def stop(process: BaseProcess, draw: random.Random) -> int:
    """Send the command one of the signals that it ends with a line for."""
    number = draw.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
    _send(process.pid or 0, number)
    return number


def _kill(process: BaseProcess, targets: Callable[[], list[int]], draw: random.Random) -> int:
    """Kill one of the processes at once, or the first that appears; none if the command ends before."""
    while process.is_alive():
        if found := targets():
            _send(draw.choice(found), signal.SIGKILL)
            break
        time.sleep(0.005)
    return signal.SIGKILL


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def disturbed(folder: Path, disturb: Disturb, after_s: float, draw: random.Random) -> list[str]:
    """Start the study, disturb it after some seconds, and return the faults that it then shows."""
    process = start(*STUDY, cwd=folder, before=warm)
    process.join(after_s)
    foremen = children(process.pid or 0) if process.is_alive() else []
    number = disturb(process, draw)
    process.join(60)
    told = (folder / "log").read_text()
    wrong = ["a traceback"] if "Traceback" in told else []
    if process.is_alive():
        process.kill()
        wrong.append("it hangs")
    elif process.exitcode not in ({0, 128 + number, -number} if disturb is stop else {0, 2, -9}):
        wrong.append(f"it ended with {process.exitcode}")
    until = time.monotonic() + 5
    while (left := of_sessions(foremen)) and time.monotonic() < until:
        time.sleep(0.05)
    wrong += [f"process {pid} is left after 5 s" for pid in left]
    return [f"{fault}: {told}" for fault in wrong]


def resumed(folder: Path) -> list[str]:
    """Go on with a disturbed study; return faults: a job that is trained twice, or an end that is not good."""
    study = next(folder.glob("outputs/torture/2*/study.json"), None)
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("outputs/torture/2*/*/shards/*/results.json")}
    code, told = run(*(("train", f"resume={study.parent}") if study else STUDY), cwd=folder, before=warm)
    if code != 0 or "Traceback" in told:
        return [f"the resume ended with {code}: {told}"]
    return [f"{path} was written again" for path, then in finished.items() if path.stat().st_mtime_ns != then]
