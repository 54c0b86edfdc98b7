"""The source files of a user: their checksums, and which have changed since some seeds of a run were trained."""

import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dnnx.config.own_lines import is_theirs
from dnnx.config.trust import needed_packages
from dnnx.runs.files import read_json
from dnnx.runs.shard_files import FOLDER, folders

KEY = "own_code"  # in environment.json
DIGITS = 16  # of a checksum


def own_code(config: Any) -> str:
    """Return the imported source files of the packages that a config names, each with the start of its SHA-256.

    Installed packages are left out. "" where there is none; else for example "my_net.py 1f0c9a...".
    """
    tops = {*needed_packages(config)}
    named = {name: module for name, module in [*sys.modules.items()] if name.partition(".")[0] in tops}
    found = {}
    for name, module in named.items():
        path = Path(getattr(module, "__file__", None) or "")
        if path.suffix == ".py" and path.is_file() and is_theirs(str(path)):
            inside = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
            found["/".join([*inside, path.name])] = hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]
    return ", ".join(f"{file} {checksum}" for file, checksum in sorted(found.items()))


def changed_files(now: str, folder: Path) -> list[str]:
    """Return the files in `now`, as `own_code` names them, that had another content for earlier seeds of the run.

    `folder` is that of the run or of one of its shards.
    """
    run = folder.parent.parent if folder.parent.name == FOLDER else folder
    paths = [path / "environment.json" for path in (run, *folders(run))]
    before = {pair for path in paths if path.is_file() for pair in _pairs(str(read_json(path).get(KEY, "")))}
    return sorted({file for file, checksum in _pairs(now) if {c for name, c in before if name == file} - {checksum}})


def doubt_of_code(now: str, folder: Path) -> str:
    """Return a warning that names the changed files; "" for none."""
    files: Sequence[str] = changed_files(now, folder)
    have = f"{', '.join(files)} {'have' if len(files) > 1 else 'has'}"
    return f"{have} changed since this run began: old and new seeds may be of different code" if files else ""


def _pairs(text: str) -> list[tuple[str, str]]:
    return re.findall(rf"(\S+) ([0-9a-f]{{{DIGITS}}})", text)
