"""The view of a running study: on a terminal a bar for each running job, elsewhere a line for its start and end."""

import time
from collections.abc import Callable
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dnnx.basics.console import console

FIRST_LINE_S = 30.0  # from the start of a job to its first line without a terminal; each later one takes twice as long


class View:
    """The view of the `total` jobs of a study; a context in which other output is printed above the bars."""

    def __init__(self, name: str, total: int, clock: Callable[[], float] = time.monotonic):
        self.name, self.total, self.num_ended, self.clock, self.begun = name, total, 0, clock, clock()
        self.rows: dict[str, TaskID] = {}
        self.shares: dict[str, float] = {}  # of the epochs of each running job
        self.due: dict[str, tuple[float, float]] = {}  # of each running job: its start, and seconds to its next line
        self.lines: set[str] = set()  # that were shown; several jobs may warn of the same
        self.bars = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(8), TimeElapsedColumn(), TextColumn("<"),
            TimeRemainingColumn(compact=True), TextColumn("{task.fields[status]}", markup=False),
            console=console, disable=not console.is_terminal, refresh_per_second=2, transient=True,
        )  # fmt: skip
        self.whole = self.bars.add_task(name, total=total, status="")

    def __enter__(self) -> "View":
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def start(self, job: str, is_finished: bool = False) -> None:
        """Show the start of a job, unless it is finished and will only show its results."""
        self.due[job] = self.clock(), FIRST_LINE_S
        if not console.is_terminal and not is_finished:
            console.print(f"{self.name}: {job} starts", soft_wrap=True)
        self.rows[job] = self.bars.add_task(f"  {job}", total=None, status="")
        self._show()

    def show(self, kind: str, job: str, *told: Any) -> None:
        """Show a message of a running job: ("epoch", job, epoch, last, status) or ("line", job, text).

        A line is shown once, whatever the number of jobs that send it.
        """
        if kind != "line":
            self.epoch(job, *told)
        elif told[0] not in self.lines:
            self.lines.add(told[0])
            console.print(told[0], soft_wrap=True)

    def epoch(self, job: str, epoch: int, last: int, status: str) -> None:
        """Show the last finished epoch of a job, of at most `last`."""
        self.shares[job] = epoch / last
        self.bars.update(self.rows[job], completed=epoch, total=last, status=f"{epoch}/{last}  {status}")
        self._show()
        begun, wait = self.due[job]
        if not console.is_terminal and self.clock() - begun >= wait:
            self.due[job] = begun, 2 * (self.clock() - begun)
            console.print(f"{self.name}: {job} epoch {epoch}/{last}  {status}", soft_wrap=True)

    def pause(self, job: str) -> None:
        """Show a job no longer, which is to start again."""
        self.bars.remove_task(self.rows.pop(job))
        self.shares.pop(job, None)
        self._show()

    def end(self, job: str, out: str, is_failed: bool = False, counts: bool = True) -> None:
        """Show the end of a job with the text that it printed; without text, or if it failed, it is a line."""
        self.num_ended += counts
        self.pause(job)
        about = f"({self.num_ended} of {self.total}{self._left() if self.num_ended else ''})"
        if is_failed:
            console.print(f"{self.name}: {job} failed {about}", soft_wrap=True)
        elif out.strip():
            console.rule(f"{self.name}: {job} {about}", align="left")
        elif not console.is_terminal:
            console.print(f"{self.name}: {job} ends {about}", soft_wrap=True)
        if out.strip():
            console.out(out.rstrip(), highlight=False)

    def _left(self) -> str:
        """Return the minutes that the jobs will still take, estimated from those that have ended."""
        left = (self.clock() - self.begun) / self.num_ended * (self.total - self.num_ended)
        return f", about {left / 60:.1f} min left" if left else ""

    def _show(self) -> None:
        done = self.num_ended + sum(self.shares.values())
        self.bars.update(self.whole, completed=done, status=f"{self.num_ended} of {self.total} jobs")
