"""A process that ends with its parent: a parent that is killed can end no child itself."""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHECK_S = 0.5  # between two looks at whether the parent lives
COMMAND = "DNNX_COMMAND_PID"  # variable of the environment: the process of the command that was typed
PR_SET_PDEATHSIG = 1  # of Linux's prctl


@contextmanager
def ending_with(parent: int) -> Iterator[None]:
    """End this process at once when its parent is gone."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(CHECK_S):
            if os.getppid() != parent:
                os._exit(1)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def ending_with_command() -> Iterator[None]:
    """End this process with the command that was typed, if it is a child of it, as those of Hydra's launchers are."""
    if os.environ.get(COMMAND) != str(os.getppid()):
        yield
        return
    with ending_with(os.getppid()):
        yield


def end_with_parent(on: bool) -> None:
    """Have Linux kill this process when its parent ends, or no longer; it needs no thread, so a fork stays possible."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL if on else 0)
