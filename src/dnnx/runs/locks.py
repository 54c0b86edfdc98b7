"""Locks between processes of one machine: one writer per folder, and whether a process still runs.

A command may lend the locks that it holds to its workers, which then write in its place.
"""

import fcntl
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from dnnx.basics.errors import UserError

_HELD: dict[Path, int] = {}  # the folders that this process may write to, and the open files that hold their locks


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder. Raise UserError if another process writes there; a dead process holds no lock."""
    folder = folder.resolve()
    if folder in _HELD:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, folder)
        _HELD[folder] = handle
        yield
    finally:
        _HELD.pop(folder, None)
        os.close(handle)


def held() -> dict[str, int]:
    """Return the folders whose locks this process holds, and the open files to pass on to a worker."""
    return {str(folder): handle for folder, handle in _HELD.items()}


def borrow(held: Mapping[str, int]) -> None:
    """Let this process write to the folders of the command that passed these open files on.

    The locks are free when the last of the processes that have these files has ended.
    """
    _HELD.update({Path(folder): handle for folder, handle in held.items()})


@contextmanager
def waiting_for(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder; wait until no other process does. A dead process holds no lock."""
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    with suppress(OSError):  # some network file systems have no locks
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another process is writing there; wait until it has ended") from None


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def this_process() -> str:
    """Return a name of this process that no other process of any machine has, for `lives`."""
    return f"{os.getpid()} {platform.node()} {_started(os.getpid())}".rstrip()


def lives(process: str) -> bool | None:
    """Return whether `process`, a name from `this_process`, still runs; None for one that cannot be seen from here.

    A later process may have its number, but not its start time. A name without the time is of an earlier dnnx.
    """
    pid, _, rest = process.partition(" ")
    host, _, started = rest.partition(" ")
    if host != platform.node() or not pid.isdecimal():
        return None
    if not is_alive(int(pid)):
        return False
    return _started(int(pid)) in ("", started) if started else None


def _started(pid: int) -> str:
    """Return when a process began, in ticks since the machine did; "" where the system does not say."""
    with suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[19] if fields[0] not in "ZX" else "ended"
    return ""
