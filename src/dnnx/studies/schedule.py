"""The order of jobs in a pool: each starts when a worker is free and the job that it needs has succeeded."""

import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dnnx.basics.console import console, warn
from dnnx.basics.typed import hide
from dnnx.config.app import FAILURES, fail
from dnnx.config.own_lines import is_theirs
from dnnx.config.resume import short
from dnnx.studies.foreman import Ended, Task
from dnnx.studies.pool import Pool
from dnnx.studies.view import View

FRAME = re.compile(r'\s+File "([^"]+)", line (\d+)')  # of a traceback


@dataclass(frozen=True)
class Part:
    """A task of the job `job`; a job may have several. It waits for all tasks of the job `after`.

    A part with `may_fail` only speeds up others: if it fails, they run without it.
    """

    task: Task
    job: str
    after: str | None = None
    is_finished: bool = False
    may_fail: bool = False


def run_parts(
    name: str, parts: Sequence[Part], workers: int, advice: str, gpus: Sequence[str], pool: Pool
) -> dict[str, str]:
    """Run the parts of a study, or of a run, in a pool, at most `workers` at once; return why jobs failed, by job."""
    with View(name, sum(not part.may_fail for part in parts)) as view:
        schedule = Schedule(parts, workers, advice, gpus, view, pool)
        schedule.run()
    return schedule.failed


def run_last(task: Task, advice: str, pool: Pool) -> bool:
    """Run one task after all others and show what it prints. Return False if the pool has no foreman any more."""
    try:
        ended = pool.call(task)
    except EOFError:
        return False
    message = failure(ended, advice)
    console.out(ended.out.rstrip(), highlight=False)
    print_errors(ended, message)
    if message is not None:
        fail(message)
    return True


def print_errors(ended: Ended, message: str | None) -> None:
    """Print what a task wrote to stderr, without the line of its failure, which `fail` prints."""
    err = ended.err.replace(f"error: {message}\n", "") if message else ended.err
    if err.strip():
        print(hide(err.rstrip()), file=sys.stderr)


@dataclass
class Schedule:
    """The state of a study in a pool: `run` runs its parts, at most `workers` at once, and notes failures in FAILURES.

    `advice` says how to go on after a death.
    """

    parts: Sequence[Part]
    workers: int
    advice: str
    gpus: Sequence[str]
    view: View
    pool: Pool
    failed: dict[str, str] = field(default_factory=dict, init=False)  # the causes, by job

    def run(self) -> None:
        self.waiting = list(self.parts)
        self.slots: dict[str, int] = {}  # of the workers, by task
        try:
            while self.start_ready():
                what, *told = self.pool.receive()
                if what == "ended":
                    self.end(*told)
                else:
                    self.view.show(what, *told)
        except EOFError:
            fail(f"the process that starts the workers was killed; {self.advice}")
            return
        if self.waiting:
            fail(f"{', '.join(part.task.name for part in self.waiting)} were not run: they wait for each other")

    def start_ready(self) -> bool:
        """Start the parts that can start now; return whether any part runs."""
        for part in self.ready():
            self.start(part)
        return bool(self.slots)

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
            told = f"it goes on from {hopeless.after}, which has no results"
            self.failed[hopeless.job] = told
            fail(f"{hopeless.job} was not run: {told}")

    def start(self, part: Part) -> None:
        slot = min(set(range(self.workers)) - set(self.slots.values()))
        task = part.task
        if len(self.gpus) > 1:
            task = replace(task, environment=(("CUDA_VISIBLE_DEVICES", self.gpus[slot % len(self.gpus)]),))
        self.pool.start(task)
        self.waiting.remove(part)
        self.slots[task.name] = slot
        self.view.start(task.name, part.is_finished)

    def end(self, ended: Ended) -> None:
        del self.slots[ended.name]
        message = failure(ended, self.advice)
        part = next(part for part in self.parts if part.task.name == ended.name)
        job, is_last = part.job, part.job not in self.unfinished()
        out = ended.out if is_last or message else ""
        self.view.end(ended.name, out, is_failed=message is not None, counts=not part.may_fail)
        print_errors(ended, message)
        if message is not None and part.may_fail:
            warn(f"{message.removesuffix(f'; {self.advice}')}; its arms are trained one by one")
        elif message is not None:
            self.failed.setdefault(job, message)
            if ended.exitcode == 1:
                FAILURES.append(message)  # its traceback has been printed
            else:
                fail(message)


def signal_of(ended: Ended) -> signal.Signals | None:
    """Return the signal that ended a task; None if there was none."""
    code = ended.exitcode or 0
    number = -code if code < 0 else code - 128  # killed, or stopped at the end of an epoch
    return signal.Signals(number) if number in list(signal.Signals) else None


def last_line(traceback: str) -> str:
    r"""Return the error at the end of a traceback, with the line of code of the user's that raised it.

    >>> last_line("Traceback (most recent call last):\n...\nZeroDivisionError: division by zero\n")
    'ZeroDivisionError: division by zero'
    """
    lines = traceback.strip().splitlines()
    frames = [(found[1], int(found[2])) for found in map(FRAME.match, lines) if found]
    own = [f"{short(Path(name))}, line {number}" for name, number in frames if is_theirs(name)]
    return "; ".join([*lines[-1:], *own[-1:]])


def failure(ended: Ended, advice: str) -> str | None:
    """Return the reason why a task failed, in one line with `advice`; None if it ended well."""
    code = ended.exitcode or 0
    if number := signal_of(ended):
        return f"{ended.name} died: its process was ended by {number.name}; {advice}"
    if code > 0:
        return f"{ended.name}: {last_line(ended.err) or 'a bug'}"
    return ended.value if isinstance(ended.value, str) else None
