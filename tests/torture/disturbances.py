"""The ways in which a try disturbs a command: deaths, signals, disks, permissions, damaged files, outputs, slips."""

import errno
import os
import random
import signal
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torture import disk, moments
from torture.forks import Before, draw_little
from torture.scenes import Scene
from torture.strangers import damaged

Arrange = Callable[[Path], Callable[[], None]]  # changes a folder before the command; what it returns undoes that
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


def _nothing() -> None:
    pass


def _unchanged(folder: Path) -> Callable[[], None]:
    return _nothing


@dataclass(frozen=True)
class Disturbance:
    """`before` is called in the process of the command; `codes` are its exit codes that are a good end."""

    told: str
    codes: set[int]
    before: Before = draw_little
    arrange: Arrange = _unchanged
    send: tuple[int, float] | None = None  # a signal, and the seconds after which it is sent
    words: tuple[str, ...] = ()  # that are typed too
    changes_input: bool = False  # so that a result need not be that of the undisturbed command


def kill(scene: Scene, draw: random.Random) -> Disturbance:
    codes = {-signal.SIGKILL, -signal.SIGPROF, -signal.SIGXFSZ, 0}
    if draw.random() < 0.3:
        seconds = draw.uniform(0, 0.9 * scene.cpu_s)
        return Disturbance(f"dies after {seconds:.3f} s of CPU", codes, partial(moments.die_after_cpu_s, seconds))
    die, n = draw.choice([moments.die_at_change, moments.die_at_change, moments.die_in_write]), _change(scene, draw)
    return Disturbance(f"{die.__name__}({n})", codes, partial(die, n))


def stop(scene: Scene, draw: random.Random) -> Disturbance:
    number, after_s = draw.choice(SIGNALS), draw.uniform(0, scene.seconds)
    return Disturbance(f"{number.name} after {after_s:.3f} s", {0, 128 + number}, send=(number, after_s))


def full_disk(scene: Scene, draw: random.Random) -> Disturbance:
    fill, n = draw.choice([moments.full_from, moments.no_space_from]), _change(scene, draw)
    return Disturbance(f"{fill.__name__}({n})", {0, 2}, partial(fill, n))


ERRORS = {
    disk.READ: (errno.EIO, errno.ESTALE),
    disk.WRITE: (errno.EIO, errno.ENOSPC, errno.EDQUOT),
    disk.SYNC: (errno.EIO, errno.ENOSPC),
    disk.OPEN: (errno.EIO, errno.ESTALE, errno.EMFILE, errno.EACCES),
}
CALLS = {disk.READ: "read", disk.WRITE: "write", disk.SYNC: "fsync", disk.OPEN: "open"}


def bad_disk(scene: Scene, draw: random.Random) -> Disturbance:
    """A call on a file fails, once or from then on."""
    which = draw.choice([call for call in CALLS if scene.calls[call]])
    number, n = draw.choice(ERRORS[which]), draw.randint(1, scene.calls[which])
    what = draw.choice([disk.FAIL_ONCE, disk.FAIL])
    told = f"{CALLS[which]} {n} {'fails' if what == disk.FAIL_ONCE else 'and all after it fail'}: {os.strerror(number)}"
    return Disturbance(told, {0, 2}, partial(_on_disk, which, what, n, number, 0))


def slow_disk(scene: Scene, draw: random.Random) -> Disturbance:
    """Every call waits, or writes do half."""
    if draw.random() < 0.5:
        return Disturbance("writes do half", {0}, partial(_on_disk, disk.WRITE, disk.HALF, 1, 0, 0))
    which = draw.choice([*CALLS])
    wait_ms = min(50, int(3000 / (scene.calls[which] + 1)) + 1)  # at most three seconds in all
    return Disturbance(f"{CALLS[which]} takes {wait_ms} ms", {0}, partial(_on_disk, which, disk.WAIT, 1, 0, wait_ms))


def _on_disk(which: int, what: int, first: int, number: int, wait_ms: int) -> None:
    draw_little()
    disk.begin(which, what, first, number, wait_ms)


def read_only(scene: Scene, draw: random.Random) -> Disturbance:
    """The folder that it writes to, reads from, or all of them may not be written."""
    folders = ("", scene.command.reads, scene.command.writes)
    which = draw.choice([name for name in folders if (scene.begins / name).is_dir()])
    return Disturbance(f"./{which} is read-only", {0, 2}, _as_others, partial(_lock, which))


def _as_others() -> None:
    draw_little()
    disk.obey_permissions()


def _lock(which: str, folder: Path) -> Callable[[], None]:
    (folder / "log").touch()
    (folder / "tmp").mkdir(exist_ok=True)
    places = [path for path in (folder / which, *(folder / which).rglob("*")) if not path.is_symlink()]
    places = [path for path in places if path.name not in ("log", "tmp")]
    modes = {path: path.stat().st_mode for path in places}
    for path in places:
        path.chmod(modes[path] & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))

    def unlock() -> None:
        for path, mode in modes.items():
            if path.exists():
                path.chmod(mode)

    return unlock


def damage(scene: Scene, draw: random.Random) -> Disturbance:
    """One file that it may read is missing, empty, cut, garbage, reworded, unreadable, a folder or a link to itself."""
    folder = scene.begins / scene.command.reads
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "tfevents" not in path.name)
    path = draw.choice(files)
    how = draw.choice(["missing", "empty", "unreadable", "folder", "loop", "garbage", *["damaged"] * 5])
    contents = path.read_bytes()
    new = {"garbage": draw.randbytes(300), "damaged": damaged(contents, draw)}.get(how, b"")
    name = str(path.relative_to(scene.begins))
    arrange = partial(_spoil, name, how, new)
    is_free = path.suffix != ".ckpt"  # a checkpoint has checksums
    return Disturbance(f"{name} is {how}", {0, 2}, _as_others, arrange, changes_input=is_free)


def _spoil(name: str, how: str, new: bytes, folder: Path) -> Callable[[], None]:
    path, kept = folder / name, (folder / name).read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "loop":
        path.symlink_to(path.name)
    elif how != "missing":
        path.write_bytes(new)
        path.chmod(0 if how == "unreadable" else 0o644)

    def restore() -> None:
        place = path
        if not path.parent.is_dir():  # the command moved it into the first shard
            place = min(path.parents[1].glob(f"shards/*/{path.parent.name}")) / path.name
        if how == "folder" and place.is_dir() and not place.is_symlink():
            place.rmdir()
        place.unlink(missing_ok=True)
        place.write_bytes(kept)

    return restore


def closed_output(scene: Scene, draw: random.Random) -> Disturbance:
    """Nobody reads what it says, or there is nowhere to say it."""
    close = draw.choice([_close_pipe, _close_output, _fill_output, _close_both])
    return Disturbance(close.__name__.strip("_").replace("_", " "), {0, 2, 128 + signal.SIGPIPE}, close)


def _close_pipe() -> None:
    """As after `| head`."""
    draw_little()
    there, here = os.pipe()
    os.dup2(here, 1)
    os.close(there)
    os.close(here)


def _close_output() -> None:
    """As by `>&-`: the number is free for the next file that is opened."""
    draw_little()
    sys.stdout = None  # type: ignore[assignment]
    os.close(1)


def _close_both() -> None:
    """As in a service that has neither output."""
    draw_little()
    sys.stdout = sys.stderr = None  # type: ignore[assignment]
    os.close(1)
    os.close(2)


def _fill_output() -> None:
    """As by `> file` on a full disk."""
    draw_little()
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def _change(scene: Scene, draw: random.Random) -> int:
    return draw.randint(1, max(1, scene.changes))


DISTURBANCES: dict[str, Callable[[Scene, random.Random], Disturbance]] = {
    "kill": kill,
    "stop": stop,
    "full": full_disk,
    "errors": bad_disk,
    "slow": slow_disk,
    "locked": read_only,
    "damage": damage,
    "closed": closed_output,
}
