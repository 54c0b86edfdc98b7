"""The one console that all output goes through."""

from rich.console import Console

console = Console(highlight=False)
