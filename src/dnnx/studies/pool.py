"""The processes of a study in its parent: a foreman, and one worker for each task."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from dnnx.studies.foreman import Task

CODE = "import sys; sys.path[:] = {path!r}; from dnnx.studies.foreman import serve; serve({handle})"
GRACE_S = 60.0  # for workers that are interrupted to write their checkpoints


class Pool:
    """A foreman, started at once and ready some seconds later. `running` holds the tasks that have not ended."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        code = CODE.format(path=sys.path, handle=theirs.fileno())
        # Threads that a library starts on import do not survive a fork, so the foreman has one.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code], pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which tells the workers once
            )  # fmt: skip
        self.link, self.running = Connection(ours.detach()), dict[str, Task]()

    def start(self, task: Task) -> None:
        """Let a worker begin with a task."""
        self.link.send(("start", task))
        self.running[task.name] = task

    def receive(self) -> tuple[Any, ...]:
        """Wait for the next message: ("epoch", name, epoch, last, status) or ("ended", Ended).

        Raise EOFError if the foreman was killed; its workers then end too.
        """
        try:
            message = self.link.recv()
        except OSError:
            raise EOFError from None
        if message[0] == "ended":
            del self.running[message[1].name]
        return message

    def interrupt(self) -> None:
        """Interrupt all workers as Ctrl-C does, and wait until they have ended."""
        with suppress(OSError, EOFError):
            self.link.send(("interrupt",))
            while self.running and self.link.poll(GRACE_S):
                self.receive()

    def close(self) -> None:
        """End the foreman, and with it every worker that is left."""
        self.link.close()
        self.process.wait()


@contextmanager
def open_pool() -> Iterator[Pool]:
    """Open a pool; whatever ends the block early interrupts the workers first."""
    pool = Pool()
    try:
        yield pool
    except BaseException:
        pool.interrupt()
        raise
    finally:
        pool.close()
