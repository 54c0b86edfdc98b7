"""Python objects as words of a command: a class becomes its path, arrays become the file that holds them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dnnx.basics.errors import UserError, require
from dnnx.config.locate import locate
from dnnx.config.overrides import override_of, quoted
from dnnx.config.seeds import seeds_word


def words_of(
    net: Any, data: Any, task: Any, seeds: Any, name: str, outputs: str | Path, overrides: Sequence[str],
    jobs: int | None,
) -> list[str]:  # fmt: skip
    """Return the words of the equivalent command."""
    words = [override_of("name", name), f"paths.outputs={quoted(Path(outputs))}"]
    words += [seeds_word(seeds)] if seeds is not None else []
    words += _named("net", net) + _named("task", task)
    words += ["data=npz", f"data.file={quoted(data)}"] if isinstance(data, Path) else _named("data", data)
    return [*words, *map(word_of, overrides), *([f"jobs={jobs}"] if jobs is not None else [])]


def keys_of(group: str, **values: Any) -> list[str]:
    """Return the words that set keys of a group; None leaves a key as it is.

    >>> keys_of("study", looks=[5, 10], max_seeds=None)
    ['study.looks=[5,10]']
    """
    return [f"{group}.{key}={value}".replace(" ", "") for key, value in values.items() if value is not None]


def word_of(word: Any) -> str:
    """Return an override as text. In ("net", SmallConv) the class becomes its path."""
    return word if isinstance(word, str) else _named(*word)[0]


def _named(group: str, given: Any) -> list[str]:
    """Return the override for a class, a path or an option of a group."""
    if given is None:
        return []
    if isinstance(given, type):
        path = f"{given.__module__}.{given.__qualname__}"
        if "<locals>" in path or locate(group, path) is not given:
            raise UserError(f"{group}={path}: define the class at the top of a module or notebook, so it has a name")
        return [f"{group}._target_={path}"]
    require(isinstance(given, str), group, type(given).__name__, "give a class, its path, or the name of an option")
    return [f"{group}._target_={given}" if "." in given else f"{group}={given}"]
