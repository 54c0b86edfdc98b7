"""Files that are whole or absent: written beside, then renamed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from dnnx.errors import UserError


def write_atomic(path: Path, write: Callable[[Path], Any]) -> None:
    """Lets `write` fill a file beside `path`, then renames it; a death in between leaves `path` as it was."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_atomic(path, lambda beside: beside.write_text(text))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """What `write_json` wrote; UserError when the file is anything else."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable JSON ({error})") from None


def read_yaml(path: Path, told: str) -> Any:
    """The config in a file; UserError, which begins as `told`, when it is no YAML."""
    try:
        return OmegaConf.load(path)
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise UserError(f"{told}: not readable YAML ({' '.join(str(error).split())})") from None


def link_latest(folder: Path) -> None:
    """Points the link `latest` beside `folder` to it."""
    beside = folder.with_name(f".latest.{os.getpid()}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(folder.name)
    os.replace(beside, folder.with_name("latest"))
