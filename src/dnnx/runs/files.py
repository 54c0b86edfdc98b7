"""Files that are complete or absent: written under another name, then renamed."""

import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from dnnx.basics.errors import UserError, message_of
from dnnx.runs import schema
from dnnx.runs.locks import is_alive

HOST = platform.node()
NO_RESULTS = "it is not that of a run; delete it and type resume=<this folder>"
EVENTS = "events.out.tfevents"  # the start of the names of TensorBoard's files


def write_atomic(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a file beside `path`, then rename it. A death in between leaves `path` unchanged.

    Leftovers of dead processes of this machine are removed. An OSError names `path`.
    """
    _remove_leftovers(path)
    beside = path.with_name(f".{path.name}.{HOST}.{os.getpid()}.tmp")
    try:
        write(beside)
        if not beside.is_symlink():
            sync(beside)  # else a power cut may keep the rename and lose the contents
        os.replace(beside, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    for left in path.parent.glob(f".{escape(path.name)}.{escape(HOST)}.*.tmp"):
        pid = left.name.split(".")[-2]
        if pid.isdecimal() and not is_alive(int(pid)):
            with suppress(OSError):
                left.unlink()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the name of a file to an OSError that has none, as those of TensorBoard."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def append_text(path: Path, text: str) -> None:
    """Append `text`, not atomically. An OSError names `path`."""
    try:
        with path.open("a") as file:
            file.write(text)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def sync(path: Path) -> None:
    """Wait until the contents of a file are on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    write_atomic(path, lambda beside: beside.write_bytes(text.encode(errors="replace")))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """Return the value that `write_json` wrote. Raise UserError for any other file."""
    try:
        return parse_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable JSON ({error})") from None


def read_results(folder: Path) -> dict[str, Any]:
    """Return the results of a run. Raise UserError for a results.json of another form."""
    try:
        return schema.results(read_json(folder / "results.json"))
    except ValueError as error:
        raise UserError(f"results.json={folder}: {NO_RESULTS} ({error})") from None


def read_declaration(path: Path) -> dict[str, Any]:
    """Return the checked content of a study.json. Raise UserError for one of another form."""
    try:
        return schema.study(read_json(path))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


def parse_json(path: Path) -> Any:
    if path.stat().st_size > schema.LARGEST_JSON:
        raise ValueError(f"it has more than {schema.LARGEST_JSON:,} bytes")
    return json.loads(path.read_text())


def read_yaml(path: Path, told: str) -> Any:
    """Return the config in a YAML file. Raise UserError, beginning with `told`, for any other file."""
    try:
        return OmegaConf.create(schema.yaml_text(path.read_text()))
    except (YAMLError, OmegaConfBaseException, ValueError, RecursionError, OSError) as error:
        raise UserError(f"{told}: not readable YAML ({message_of(error)})") from None
    except AssertionError:  # OmegaConf raises it for a number or true
        raise UserError(f"{told}: it holds no mapping") from None


def own_folder(path: Path) -> Path:
    """Return a folder of a run, made if it is absent. Raise UserError for a link, which may lead anywhere."""
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        kind = "link" if path.is_symlink() else "file"
        raise UserError(f"{path}: it is a {kind}; a run writes into its own folders alone, so put a folder there")
    path.mkdir(parents=True, exist_ok=True)
    return path


def remove_empty(folder: Path, outputs: Path) -> None:
    """Remove `folder`, and the folders above it up to `outputs`, if they are empty."""
    if outputs in folder.parents:
        with suppress(OSError):
            for path in (folder, *folder.parents):
                path.rmdir()
                if path == outputs:
                    break
