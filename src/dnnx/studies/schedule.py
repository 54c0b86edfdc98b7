"""The order of jobs in a pool: each starts when a worker is free and the job that it needs has succeeded."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dnnx.config.app import FAILURES, fail
from dnnx.config.resume import go_on
from dnnx.studies.foreman import Ended, Task
from dnnx.studies.pool import Pool, open_pool
from dnnx.studies.view import View


@dataclass(frozen=True)
class Part:
    """A task of the job `job`; a job may have several. It waits for all tasks of the job `after`."""

    task: Task
    job: str
    after: str | None = None


def run_parts(name: str, parts: Sequence[Part], workers: int, folder: Path, gpus: Sequence[str] = ()) -> None:
    """Run the parts of a study in `folder`, at most `workers` at once; note what fails in FAILURES."""
    with View(name, len(parts)) as view, open_pool() as pool:
        Schedule(parts, workers, folder, gpus, view, pool).run()


@dataclass
class Schedule:
    """The state of a study in a pool."""

    parts: Sequence[Part]
    workers: int
    folder: Path
    gpus: Sequence[str]
    view: View
    pool: Pool

    def run(self) -> None:
        self.waiting, self.failed = list(self.parts), set[str]()
        self.slots: dict[str, int] = {}  # of the workers, by task
        while True:
            for part in self.ready():
                self.start(part)
            if not self.slots:
                break  # all have ended
            try:
                what, *told = self.pool.receive()
            except EOFError:
                fail(f"the process that starts the workers was killed; {go_on(self.folder)}")
                return
            if what == "epoch":
                self.view.epoch(*told)
            else:
                self.end(*told)
        if self.waiting:
            fail(f"{', '.join(part.task.name for part in self.waiting)} were not run: they wait for each other")

    def ready(self) -> list[Part]:
        """Return the parts that can start now, in their order; note those that never can."""
        self.drop_hopeless()
        unfinished = self.unfinished()
        ready = [part for part in self.waiting if part.after not in unfinished]
        return ready[: self.workers - len(self.slots)]

    def unfinished(self) -> set[str]:
        """Return the jobs of which a part waits or runs."""
        return {part.job for part in self.parts if part in self.waiting or part.task.name in self.slots}

    def drop_hopeless(self) -> None:
        """Drop the parts that wait for a job that failed, and say so."""
        while hopeless := next((part for part in self.waiting if part.after in self.failed), None):
            self.waiting = [part for part in self.waiting if part.job != hopeless.job]
            self.failed.add(hopeless.job)
            fail(f"{hopeless.job} was not run: it goes on from {hopeless.after}, which has no results")

    def start(self, part: Part) -> None:
        slot = min(set(range(self.workers)) - set(self.slots.values()))
        task = part.task
        if len(self.gpus) > 1:
            task = replace(task, environment=(("CUDA_VISIBLE_DEVICES", self.gpus[slot % len(self.gpus)]),))
        self.pool.start(task)
        self.waiting.remove(part)
        self.slots[task.name] = slot
        self.view.start(task.name)

    def end(self, ended: Ended) -> None:
        del self.slots[ended.name]
        message = failure(ended, self.folder)
        job = next(part.job for part in self.parts if part.task.name == ended.name)
        err = ended.err.replace(f"error: {message}\n", "") if message else ended.err
        is_last = job not in self.unfinished()
        self.view.end(ended.name, ended.out if is_last or message else "", err)
        if message is not None:
            self.failed.add(job)
            if ended.exitcode == 1:
                FAILURES.append(message)  # its traceback has been printed
            else:
                fail(message)


def failure(ended: Ended, folder: Path) -> str | None:
    """Return the reason why a task failed, in one line; None if it ended well."""
    code = ended.exitcode or 0
    number = -code if code < 0 else code - 128  # killed, or stopped at the end of an epoch
    if number in list(signal.Signals):
        return f"{ended.name} died: its process was ended by {signal.Signals(number).name}; {go_on(folder)}"
    return f"{ended.name}: a bug" if code > 0 else ended.value
