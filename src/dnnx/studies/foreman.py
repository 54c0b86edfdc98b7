"""The foreman: a process that imports torch once and forks a worker for each task of its parent.

A fork costs milliseconds and shares memory until it is written to, so workers hold libraries and data once. A worker
that is killed takes only its own task along. Foreman and workers end when their parent is gone.
"""

import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from omegaconf import OmegaConf

from dnnx.basics import console
from dnnx.basics.parent import end_with_parent, ending_with
from dnnx.basics.signals import ENDING
from dnnx.basics.time_slices import ask_for_long_slices
from dnnx.config.explain import explain_os
from dnnx.data import shared
from dnnx.runs import locks

HEARD = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]  # not SIGHUP after nohup
MAX_OUTPUT = 200_000  # bytes that are kept of the output of a worker
# Everything that a task imports while it runs, so that workers need not.
PRELOAD = [
    "dnnx.train", "dnnx.training.assemble", "dnnx.training.lr_search", "dnnx.training.plain_run", "dnnx.training.run",
    "dnnx.evaluation.results", "dnnx.evaluation.mc_dropout", "dnnx.reports.table", "dnnx.runs.provenance",
    "dnnx.training.callbacks.checkpoint", "dnnx.training.callbacks.record", "dnnx.training.callbacks.progress",
    "dnnx.data.digits", "dnnx.data.cifar10", "dnnx.nets.dense", "dnnx.optim.fused_adam", "torch._dynamo",
    "torch.utils.tensorboard", "sklearn.datasets",
]  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A function without arguments that a worker calls, and the config of the data that it will read."""

    name: str
    function: Callable[[], Any]
    threads: int = 1
    data: dict[str, Any] | None = None
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Ended:
    """The end of a task: the value of its function, the exit code of its worker, and the printed text."""

    name: str
    value: Any
    exitcode: int | None
    out: str
    err: str


@dataclass
class Worker:
    """A worker as its foreman sees it."""

    task: Task
    process: BaseProcess
    link: Connection
    outputs: tuple[int, int]  # files that it prints to
    value: Any = None


def serve(handle: int, held: Mapping[str, int] | None = None) -> None:
    """Serve the parent at the other end of a socket until it is gone; `held` are the locks that it lends."""
    locks.borrow(held or {})
    for number in HEARD:  # the parent decides who is stopped, also where a batch system sends a signal to all
        signal.signal(number, signal.SIG_IGN)
    end_with_parent(True)  # until it listens to the parent
    import torch

    torch.set_num_threads(1)  # a thread pool would not survive a fork
    for name in PRELOAD:
        importlib.import_module(name)
    end_with_parent(False)
    ask_for_long_slices()
    foreman = Foreman(Connection(handle))
    try:
        foreman.parent.send(("ready",))
        foreman.work()
    except (EOFError, OSError):  # the parent is gone
        foreman.end()
    os._exit(0)


class Foreman:
    """Starts workers, passes on their messages, and reports their ends."""

    def __init__(self, parent: Connection):
        self.parent, self.workers, self.keys = parent, dict[str, Worker](), dict[str, str]()
        self.forks = sys.platform == "linux"  # libraries of macOS do not survive a fork
        self.context: Any = multiprocessing.get_context("fork" if self.forks else "spawn")

    def work(self) -> None:
        """Answer messages until the parent is gone, which raises EOFError or OSError."""
        while True:
            of_link = {worker.link: worker for worker in self.workers.values()}
            of_sentinel = {worker.process.sentinel: worker for worker in self.workers.values()}
            for ready in wait([self.parent, *of_link, *of_sentinel]):
                if ready is self.parent:
                    self.answer(*self.parent.recv())
                elif ready in of_sentinel:
                    self.report(of_sentinel[ready])  # type: ignore[index]
                else:
                    self.listen(of_link[ready])  # type: ignore[index]

    def answer(self, order: str, *told: Any) -> None:
        """Obey a message of the parent: start a task, import modules for later tasks, or stop all workers."""
        if order == "start":
            self.start(*told)
        for name in told if order == "import" and self.forks else ():
            importlib.import_module(name)
        for worker in self.workers.values() if order == "stop" else ():
            with suppress(ProcessLookupError):
                os.kill(worker.process.pid or 0, signal.SIGTERM)

    def start(self, task: Task) -> None:
        """Start a worker, or tell the parent why there is none: too many processes or files, or a full disk."""
        if self.forks:
            self.share(task)
        try:
            self.workers[task.name] = self.worker_of(task)
        except OSError as error:
            told = f"{task.name}: no worker could be started: {explain_os(error)}"
            self.parent.send(("ended", Ended(task.name, told, None, "", "")))

    def worker_of(self, task: Task) -> Worker:
        """Return a new worker, which has begun with a task."""
        link, theirs = multiprocessing.Pipe(duplex=False)
        outputs = _anonymous_file(), _anonymous_file()
        arguments = (task, theirs, outputs if self.forks else (), os.getpid(), locks.held())
        process = self.context.Process(target=work, args=arguments, name=task.name)
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)  # until the worker hears them
        try:
            process.start()
        except OSError:
            for handle in outputs:
                os.close(handle)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        theirs.close()
        return Worker(task, process, link, outputs)

    def share(self, task: Task) -> None:
        """Prepare the data of a task, unless that is done, and drop the data that no running task has."""
        from dnnx.training.assemble import share_data

        self.keys = {name: key for name, key in self.keys.items() if name in self.workers}
        if task.data is None:
            return
        with suppress(Exception), ending_with(os.getppid()):  # the task itself will say what is wrong with its data
            self.keys[task.name] = share_data(OmegaConf.create(task.data)) or ""
        shared.drop_all_but(self.keys.values())

    def listen(self, worker: Worker) -> None:
        """Pass on the messages of a worker, and keep the value of its function."""
        with suppress(EOFError, OSError):
            while worker.link.poll():
                message = worker.link.recv()
                if message[0] == "value":
                    worker.value = message[1]
                else:
                    self.parent.send(message)

    def report(self, worker: Worker) -> None:
        """Tell the parent that a worker has ended."""
        self.listen(worker)
        worker.process.join()
        del self.workers[worker.task.name]
        worker.link.close()
        out, err = map(_read, worker.outputs)
        self.parent.send(("ended", Ended(worker.task.name, worker.value, worker.process.exitcode, out, err)))

    def end(self) -> None:
        """Kill all workers."""
        for worker in self.workers.values():
            worker.process.kill()
        for worker in self.workers.values():
            worker.process.join()


def work(task: Task, link: Connection, outputs: tuple[int, ...], foreman: int, held: Mapping[str, int]) -> None:
    """Call the function of a task in this process, a worker; send its epochs, its value and its end."""
    locks.borrow(held)
    import torch

    from dnnx.training.callbacks import progress

    for number in HEARD:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
    for i, handle in enumerate(outputs, 1):
        os.dup2(handle, i)
    os.environ.update({**dict(task.environment), "OMP_NUM_THREADS": str(task.threads)})
    torch.set_num_threads(task.threads)
    progress.LISTENERS[:] = [lambda *epoch: link.send(("epoch", task.name, *epoch))]
    console.TELLERS[:] = [lambda line: link.send(("line", task.name, line))]
    with ending_with(foreman):
        link.send(("value", task.function()))


def _anonymous_file() -> int:
    with tempfile.TemporaryFile() as file:  # on Linux without a name, so that no death leaves it
        return os.dup(file.fileno())


def _read(handle: int) -> str:
    """Return the end of a file, and close it."""
    size = os.fstat(handle).st_size
    text = os.pread(handle, MAX_OUTPUT, max(0, size - MAX_OUTPUT))
    os.close(handle)
    return text.decode(errors="replace")
