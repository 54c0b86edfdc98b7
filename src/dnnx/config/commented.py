"""A composed config as YAML, each key with the comment that it has in conf/, and each group with its options."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dnnx.config.compose import without_hydra
from dnnx.config.paths import CONF, experiment, options

LINE = re.compile(r"( *)(?:- )?([\w.-]+):(.*)")  # indent, key, value with its comment
PACKAGE = re.compile(r"# @package (\S+)")


def commented(name: str, config: DictConfig) -> str:
    """Return the YAML of a config that the command `name` composed, with its node `hydra`."""
    choices = {str(group): str(option) for group, option in config.hydra.runtime.choices.items()}
    comments = dict(_of_file(CONF / f"{name}.yaml", ""))
    for group, option in choices.items():
        if (path := _file(group, option)) is not None:
            comments = {group: f"one of {', '.join(options(group))}"} | comments | dict(_of_file(path, group))
    text = OmegaConf.to_yaml(without_hydra(config))
    return "\n".join(_with_comment(line, key, comments) for line, key in _keys(text))


def _file(group: str, option: str) -> Path | None:
    path = experiment(option) if group == "exp" else CONF / group / f"{option}.yaml"
    return path if path is not None and path.is_file() and not group.startswith("hydra/") else None


def _of_file(path: Path, group: str) -> Iterator[tuple[str, str]]:
    """Yield key and comment of a file of conf/, and before them those of the files that it extends."""
    text = path.read_text()
    loaded: Any = OmegaConf.to_container(OmegaConf.load(path))
    for default in loaded.get("defaults", ()) if isinstance(loaded, Mapping) else ():
        above = CONF / group / f"{default}.yaml"
        if isinstance(default, str) and above.is_file():
            yield from _of_file(above, group)
    package = match[1] if (match := PACKAGE.search(text)) else group
    start = "" if package in ("", "_global_") else f"{package}."
    for line, key in _keys(text):
        match = LINE.fullmatch(line)
        _, mark, comment = match[3].partition(" # ") if match else ("", "", "")
        if mark and key:
            yield start + key, comment.strip()


def _keys(text: str) -> Iterator[tuple[str, str]]:
    """Yield the lines of a YAML text with the dotted key of each; "" for a line without one."""
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match is None or "- " in line[: match.start(2)]:
            yield line, ""
            continue
        indent = len(match[1])
        above = [*((depth, key) for depth, key in above if depth < indent), (indent, match[2])]
        yield line, ".".join(key for _, key in above)


def _with_comment(line: str, key: str, comments: Mapping[str, str]) -> str:
    return f"{line}  # {comments[key]}" if key in comments else line
