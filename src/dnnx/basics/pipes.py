"""The end of a command whose output nobody reads any more, as after `| head`."""

import os
import signal
import sys


def leave_pipe() -> int:
    """Write to nowhere from now on, as the reader of a pipe is gone; return the exit code for that."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE
