"""A file of the user's in exp/ that Hydra would put in the wrong place: its first line, and its list of defaults."""

import re
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from dnnx.basics.errors import UserError
from dnnx.config.own_code import groups_of
from dnnx.config.paths import CONF
from dnnx.runs.files import read_yaml

HEADER = "# @package _global_"


def check_experiment(path: Path, command: str) -> None:
    """Raise UserError if an experiment lacks its first line, or names an option of conf/ in a way that Hydra refuses.

    `command` is the name of the config in conf/ that it changes, such as `train`.
    """
    key, name = f"{path.parent.name}={path.stem}", f"{path.parent.name}/{path.name}"
    try:
        lines, found = path.read_text().splitlines(), OmegaConf.to_container(read_yaml(path, name))
    except (UserError, OSError, UnicodeDecodeError):
        return  # Hydra reports it
    first = next((line for line in lines if line.strip()), "")  # Hydra reads no later one
    if not re.fullmatch(r"\s*#\s*@package\s+_global_\s*", first):
        raise UserError(f"{key}: {name} lacks its first line, without which its keys have no effect; write {HEADER}")
    defaults: Any = found.get("defaults") if isinstance(found, dict) else None
    groups = groups_of(command)
    for entry in defaults if isinstance(defaults, list) else ():
        for word, option in entry.items() if isinstance(entry, dict) else ():
            _check_default(key, name, str(word), option, groups)


def _check_default(key: str, file: str, word: str, option: Any, groups: list[str]) -> None:
    """Raise UserError unless an entry of defaults is `override /group` for a group of the command, else `/group`."""
    *before, group = word.split()
    bare = group.lstrip("/").partition("@")[0]
    if bare == "exp" or not (CONF / bare).is_dir():
        return
    right = f"{'override ' if bare in groups else ''}/{group.lstrip('/')}"
    is_right = group.startswith("/") and ("override" in before) == (bare in groups)
    if not is_right:
        raise UserError(f"{key}: under defaults in {file} write - {right}: {option}, not - {word}: {option}")
