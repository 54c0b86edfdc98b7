"""The link `latest` beside the folders of an experiment: its newest run or study, unless it failed without results."""

from pathlib import Path

from dnnx.runs.files import write_atomic

NAME = "latest"


def link_latest(folder: Path) -> None:
    """Point the link `latest` beside `folder` to it."""
    write_atomic(folder.with_name(NAME), lambda beside: beside.symlink_to(folder.name))


def has_results(folder: Path) -> bool:
    """Return whether a run, or any arm of a study, has results."""
    return (folder / "results.json").is_file() or any(folder.glob("*/results.json"))


def leave_failed(folder: Path) -> Path | None:
    """Point `latest` to the newest folder with results if it is `folder`, which failed and has none; return the newest.

    None where the link stays as it is: it is another, `folder` has results, or no folder beside it has any.
    """
    link = folder.with_name(NAME)
    if not link.is_symlink() or link.resolve() != folder.resolve() or has_results(folder):
        return None
    others = [path for path in folder.parent.iterdir() if path.is_dir() and not path.is_symlink()]
    found = [path for path in others if path.name != folder.name and has_results(path)]
    if not found:
        return None
    newest = max(found, key=lambda path: path.name)  # the name is the time of its start
    link_latest(newest)
    return newest
