"""The one console that all output goes through."""

from rich.console import Console
from rich.markup import escape

console = Console(highlight=False)


def warn(text: str) -> None:
    """Says it in red; nothing where there is nothing to say."""
    if text:
        console.print(f"[bold red]WARNING: {escape(text)}", soft_wrap=True)
