"""The moments at which a process dies or its disk is full: called in the process, before its command."""

import errno
import os
import resource
import signal

from torture.forks import draw_little
from torture.study import at_changes


def die_at_change(n: float) -> None:
    """Die before the n-th change of a file; where that is a rename, with half of the new file written."""

    def act(i: int, event: str, path: str) -> None:
        if i == n:
            if event == "os.rename" and os.path.isfile(path) and not os.path.islink(path):
                os.truncate(path, os.path.getsize(path) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    draw_little()
    at_changes(act)


def die_after_cpu_s(seconds: float) -> None:
    """Die after so much CPU time, wherever that is: the kernel ends a process that does not catch this signal."""
    draw_little()
    signal.setitimer(signal.ITIMER_PROF, seconds)


def die_in_write(n: float) -> None:
    """Die in the middle of a write: of the first that makes a file longer than 500 bytes, from the n-th change on."""

    def act(i: int, event: str, path: str) -> None:
        if i == n:
            resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))

    draw_little()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    at_changes(act)


def full_from(n: float) -> None:
    """Let no file grow beyond 500 bytes, and no new file be made, from the n-th change of a file on."""

    def act(i: int, event: str, path: str) -> None:
        if i == n:
            resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))

    draw_little()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write then fails
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    at_changes(act)


def no_space_from(n: float) -> None:
    """Let everything that makes or renames a file fail from the n-th change on, as where there is no byte left."""

    def act(i: int, event: str, path: str) -> None:
        if i >= n and event != "os.remove":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    draw_little()
    at_changes(act)
