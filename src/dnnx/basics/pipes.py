"""Outputs of a command that are closed at its start, or that nobody reads any more."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path


class Unread(BaseException):
    """Nobody reads the output of a job any more. As no Exception it passes Hydra, which would print a traceback."""


def open_closed() -> None:
    """Let inputs and outputs that are closed, as by `>&-`, lead to nowhere.

    Otherwise the next file that is opened takes the number of an output, and holds what libraries print.
    """
    for number in (0, 1, 2):
        with suppress(OSError):
            os.fstat(number)
            continue
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere == number:
            os.set_inheritable(number, True)
        else:
            os.dup2(nowhere, number)
            os.close(nowhere)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115


def leave_pipe() -> int:
    """Write to nowhere from now on, as the reader of a pipe is gone; return the exit code for that."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE
