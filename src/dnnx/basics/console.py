"""The console for all output."""

from rich.console import Console
from rich.markup import escape

console = Console(highlight=False)


def warn(text: str) -> None:
    """Print a warning in red; print nothing for an empty text."""
    if text:
        console.print(f"[bold red]WARNING: {escape(text)}", soft_wrap=True)
