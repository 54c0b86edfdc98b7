"""Locks between processes of one machine: one writer per folder, and whether a process is alive."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dnnx.basics.errors import UserError

_HELD: set[Path] = set()


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder. Raise UserError if another process writes there; a dead process holds no lock."""
    folder = folder.resolve()
    if folder in _HELD:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    _HELD.add(folder)
    try:
        _lock(handle, folder)
        yield
    finally:
        _HELD.discard(folder)
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
