"""The processes of a study in its parent: a foreman, and one worker for each task."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from dnnx.basics.console import console
from dnnx.runs import locks
from dnnx.studies.foreman import Ended, Task

CODE = "import sys; sys.path[:] = {path!r}; from dnnx.studies.foreman import serve; serve({handle}, {held!r})"
GRACE_S = 60.0  # for workers that are interrupted to write their checkpoints


class Pool:
    """A foreman, started at once and ready some seconds later. `running` holds the tasks that have not ended.

    Workers may write to the folders whose locks this process holds now.
    Until it `is_ready`, it imports libraries, hears no message and has no workers.
    """

    is_ready = False

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        held = locks.held()
        code = CODE.format(path=sys.path, handle=theirs.fileno(), held=held)
        # Threads that a library starts on import do not survive a fork, so the foreman has one.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        if console.is_terminal:
            environment["COLUMNS"] = str(console.width)  # of the tables that workers print
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code], pass_fds=[theirs.fileno(), *held.values()], env=environment,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which tells the workers once
            )  # fmt: skip
        self.link, self.running = Connection(ours.detach()), dict[str, Task]()

    def start(self, task: Task) -> None:
        """Let a worker begin with a task. Raise EOFError if the foreman was killed."""
        try:
            self.link.send(("start", task))
        except OSError:
            raise EOFError from None
        self.running[task.name] = task

    def prepare(self, *modules: str) -> None:
        """Let the foreman import modules of a later task, while its workers are busy."""
        with suppress(OSError):
            self.link.send(("import", *modules))

    def receive(self) -> tuple[Any, ...]:
        """Wait for the next message: ("epoch", name, epoch, last, status), ("line", name, text) or ("ended", Ended).

        Raise EOFError if the foreman was killed; its workers then end too.
        """
        while (message := self.hear())[0] == "ready":
            pass
        return message

    def hear(self) -> tuple[Any, ...]:
        """Wait for a message, which may be ("ready",), and note it."""
        try:
            message = self.link.recv()
        except OSError:
            raise EOFError from None
        self.is_ready = True
        if message[0] == "ended":
            del self.running[message[1].name]
        return message

    def interrupt(self) -> None:
        """Stop all workers as SIGTERM does, and wait until they have ended; before it is ready, end the foreman."""
        if not self.is_ready and not self.link.poll():
            self.running.clear()  # no worker has begun, so `close` may kill the foreman
            return
        with suppress(OSError, EOFError):
            self.link.send(("stop",))
            while self.running and self.link.poll(GRACE_S):
                self.hear()

    def call(self, task: Task) -> Ended:
        """Run a task while no other one runs, and return its end. Raise EOFError if the foreman was killed."""
        self.start(task)
        while True:
            kind, *told = self.receive()
            if kind == "ended":
                return told[0]

    def close(self) -> None:
        """End the foreman, and with it every worker that is left."""
        self.link.close()
        if not self.running:  # it may still import modules
            self.process.kill()
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
