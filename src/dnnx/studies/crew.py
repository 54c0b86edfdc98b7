"""Workers that share the work of one command, such as the trials of a tuning; a killed one is replaced."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dnnx.basics.console import console
from dnnx.studies.foreman import Ended, Task
from dnnx.studies.pool import Pool
from dnnx.studies.schedule import Part, Schedule, print_errors, signal_of
from dnnx.studies.view import View

MAX_DEATHS = 3  # workers of a command that are replaced; more deaths have a common cause, such as too little memory


class AllEnd(Exception):
    """The work ends for all workers, for the reason `message` that one of them gave."""


@dataclass(frozen=True)
class Stop:
    """The value of a worker that ends the work of all."""

    message: str


@dataclass
class Crew(Schedule):
    """A schedule of alike workers. `on_death` is called with the name of a killed one, before another takes its place.

    `values` holds the values of those that ended well.
    """

    on_death: Callable[[], None] = lambda: None
    deaths: int = 0
    values: list[Any] = field(default_factory=list)

    def end(self, ended: Ended) -> None:
        if signal_of(ended) and self.deaths < MAX_DEATHS:
            self.deaths += 1
            self.replace(ended)
        elif isinstance(ended.value, Stop):
            raise AllEnd(ended.value.message)
        elif ended.exitcode == 0 and not isinstance(ended.value, str):
            self.values.append(ended.value)
            del self.slots[ended.name]
            self.view.end(ended.name, "")
            print_errors(ended, None)
        else:
            super().end(ended)

    def replace(self, ended: Ended) -> None:
        """Let another worker take the place of one that was killed."""
        del self.slots[ended.name]
        self.view.pause(ended.name)
        print_errors(ended, None)
        name = getattr(signal_of(ended), "name", "")
        console.print(f"{ended.name} was ended by {name}; another takes its place", soft_wrap=True)
        self.on_death()
        self.waiting.append(next(part for part in self.parts if part.task.name == ended.name))


def run_crew(
    name: str, tasks: Sequence[Task], advice: str, gpus: Sequence[str], pool: Pool, on_death: Callable[[], None]
) -> list[Any]:
    """Run all tasks at once; return the values of those that ended well. Raise AllEnd if one ends the work of all."""
    parts = [Part(task, task.name) for task in tasks]
    with View(name, len(parts)) as view:
        crew = Crew(parts, len(parts), advice, gpus, view, pool, on_death)
        crew.run()
    return crew.values
