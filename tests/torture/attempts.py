"""One try of a process: a command is disturbed, and then goes on, or is repeated, undisturbed."""

import errno
import os
import random
import resource
import signal
import time
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from torture import disk, scenes
from torture.disturbances import DISTURBANCES, ERRORS, Disturbance
from torture.forks import Before, draw_little, run, start
from torture.scenes import Scene
from torture.slips import slip
from workers import hear_ctrl_c, of_sessions

LIMIT_S = 60.0  # after which a command hangs
PATIENCE_S = 15.0  # after which one with a slip is taken for a training that takes its time, and stopped
GIGABYTES = 4  # of memory
NAMELESS = [os.strerror(number) for number in (errno.EFBIG, *(n for numbers in ERRORS.values() for n in numbers))]
KINDS = {**DISTURBANCES, "slips": slip}
ROUNDS = {"tune": 14, "go on tuning": 14, "tune in SQLite": 14}  # these take ten times as long as the others


class Planned(NamedTuple):
    """A try by its number, its kind of disturbance and its command."""

    number: int
    kind: str
    command: str

    def __str__(self) -> str:
        return f"try {self.number}, {self.kind} of {self.command}"


def plan(num: int, seed: int) -> list[Planned]:
    """Return so many tries. Each pair of a disturbance and a command comes equally often, the long ones more rarely."""
    chosen: list[Planned] = []
    turn = 0
    while len(chosen) < num:
        pairs = [
            (kind, name)
            for kind in KINDS
            if kind not in ("errors", "slow") or disk.library()  # they need a compiler
            for name, command in scenes.COMMANDS.items()
            if (turn + 1) % ROUNDS.get(name, 1) == 0 and (kind != "damage" or command.reads)
        ]
        random.Random(f"{seed} {turn}").shuffle(pairs)
        chosen += [Planned(len(chosen) + i, *pair) for i, pair in enumerate(pairs)]
        turn += 1
    return chosen[:num]


def attempt(scene: Scene, kind: str, folder: Path, draw: random.Random) -> list[str]:
    """Disturb a command in a new folder; return the faults that it then shows, with the words that repeat the try."""
    disturbance = KINDS[kind](scene, draw)
    scene.place(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}
    undo = disturbance.arrange(folder)
    code, told, wrong = disturbed(scene, disturbance, folder, is_slip=kind == "slips")
    undo()
    wrong += faults_of_end(disturbance, code, told)
    if kind == "slips":
        wrong += [f"{p.name} was changed" for p in changed(scene, before)] if code == 2 else []
    elif not wrong:
        wrong += scenes.torn(scene, folder) if not disturbance.changes_input else []
        wrong += gone_on(scene, disturbance, folder, code)
    return [f"{disturbance.told}: {fault}\n{told}" for fault in wrong]


def changed(scene: Scene, before: dict[Path, bytes]) -> list[Path]:
    """Return the files that were there before and are not the same now, of a command that does not go on with them."""
    if scene.command.reads == scene.command.writes:
        return []
    return [path for path, contents in before.items() if not path.is_file() or path.read_bytes() != contents]


def disturbed(scene: Scene, by: Disturbance, folder: Path, is_slip: bool) -> tuple[int, str, list[str]]:
    """Run the command; return its exit code, its words and faults: it hangs, or leaves a process behind."""
    words = (*scene.command.words, *by.words)
    process = start(scene.command.module, *words, cwd=folder, before=partial(begin, by.before))
    if by.send is not None:
        send(process, folder, *by.send)
    process.join(PATIENCE_S if is_slip else LIMIT_S)
    stopped = process.is_alive() and is_slip
    if stopped:
        os.kill(process.pid or 0, signal.SIGINT)
        process.join(LIMIT_S)
    wrong = []
    if process.is_alive():
        process.kill()
        process.join()
        wrong.append("it hangs")
    until = time.monotonic() + 5
    while (left := of_sessions([process.pid or 0])) and time.monotonic() < until:
        time.sleep(0.02)
    wrong += [f"process {pid} is left" for pid in left]
    (folder / "begun").unlink(missing_ok=True)
    code = process.exitcode or 0
    return 0 if stopped and code == 128 + signal.SIGINT else code, (folder / "log").read_text(), wrong


def begin(before: Before) -> None:
    """Set the limits of a process, and say that it has begun."""
    os.setsid()
    hear_ctrl_c()
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + GIGABYTES * 2**30,) * 2)
    Path("begun").touch()
    before()


def send(process: BaseProcess, folder: Path, number: int, after_s: float) -> None:
    """Send a signal so long after the command has begun, unless it has ended."""
    while not (folder / "begun").exists() and process.is_alive():
        time.sleep(0.005)
    process.join(after_s + 0.1)  # Python itself answers a signal that comes before dnnx listens
    if process.is_alive():
        os.kill(process.pid or 0, number)


def faults_of_end(by: Disturbance, code: int, told: str) -> list[str]:
    """Return what is wrong with an exit code and the words before it."""
    wrong = [] if code in by.codes else [f"exit code {code}"]
    wrong += ["a traceback"] if "Traceback" in told else []
    lines = [line for line in told.splitlines() if line.startswith("error: ")]
    is_silent = by.told == "close both"
    nameless = [
        f"no file is named: {line}"
        for line in lines
        if line.removeprefix("error: ") in NAMELESS and by.told != "fill output"
    ]
    return (
        wrong + nameless + ([f"{len(lines)} lines of error"] if code == 2 and len(lines) != 1 and not is_silent else [])
    )


def gone_on(scene: Scene, by: Disturbance, folder: Path, code: int) -> list[str]:
    """Go on undisturbed, and return how the end differs from that of the undisturbed command."""
    if by.changes_input and code == 0:
        return []
    if code != 0:
        again, told = run(scene.command.module, *scenes.go_on(scene, folder), cwd=folder, before=draw_little)
        if again != 0 or "Traceback" in told:
            return [f"going on ended with {again}: {told}"]
    return scenes.differences(scene, folder)
