"""The console for all output."""

from collections.abc import Callable
from typing import NoReturn

from rich.console import Console


class PipeConsole(Console):
    """A console that raises BrokenPipeError where its output has no reader any more, as print does."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise the error again: rich would end the process with exit code 1."""
        self.quiet = True
        raise BrokenPipeError


console = PipeConsole(highlight=False, markup=False, emoji=False)  # names are shown as they are, such as rate [/h]
TELLERS: list[Callable[[str], None]] = []  # in a worker: called by `tell` instead of printing


def tell(line: str) -> None:
    """Print a line. In a worker send it to the parent, which prints it at once."""
    for teller in TELLERS:
        teller(line)
    if not TELLERS:
        console.print(line, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning in red; print nothing for an empty text."""
    if text:
        console.print(f"WARNING: {text}", style="bold red", soft_wrap=True)


def warn_at_once(text: str) -> None:
    """Print a warning; in a worker, whose output is shown when it has ended, send it to the parent."""
    if text and TELLERS:
        tell(f"WARNING: {text}")
    else:
        warn(text)
