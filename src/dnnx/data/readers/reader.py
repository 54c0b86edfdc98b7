"""Reader: the protocol of anything that reads new examples for a trained network."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from dnnx.basics.errors import UserError, require

MAX_NAMED = 5  # files that do not fit


@dataclass
class Inputs:
    """Examples x [N, *in_shape] before standardization, and a name for each."""

    x: Tensor
    names: list[str]


@dataclass(kw_only=True)
class Reader:
    """Reads files as the training data was read. Its fields are plain values, which a run folder keeps as JSON."""

    suffixes: ClassVar[tuple[str, ...]] = ()  # of the files that it finds in a folder
    told: ClassVar[str] = ""  # those files in words
    dtype: ClassVar[str | None] = None  # of x; None: that of the training examples

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Return the shape of an example, or None if any will do."""
        return None

    def read(self, path: Path, convert: bool) -> Inputs:
        """Return the examples of a file. Raise UserError for a file that does not fit.

        With `convert`, images of another size or other colours are scaled and converted.
        """
        raise NotImplementedError


def find_files(reader: Reader, inputs: Iterable[str]) -> list[Path]:
    """Return the files that the user names: files as they are, those of folders sorted by name."""
    found: list[Path] = []
    for name in inputs:
        require(bool(name), "inputs", "''", "it is empty; name a file or folder, . for the current one")
        path = Path(name).expanduser()
        require(path.exists(), "inputs", name, "there is no such file or folder")
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in (*reader.suffixes, ".npz"))
        told = f"the folder holds no {reader.told or '.npz file'}"
        require(bool(inside), "inputs", name, told)
        found += inside
    return found


def read_all(files: Sequence[Path], read: Callable[[Path], Inputs]) -> list[tuple[Path, Inputs]]:
    """Return the examples of each file. Raise one UserError that names the files that do not fit."""
    parts, faults = [], {}
    for file in files:
        try:
            parts.append((file, read(file)))
        except UserError as error:
            faults[file] = error
    if len(faults) == 1:
        raise next(iter(faults.values()))
    if faults:
        raise UserError(f"{len(faults)} of {len(files)} files do not fit: {_told(faults)}")
    return parts


def _told(faults: Mapping[Path, UserError]) -> str:
    """Return the names of the first files, each with what is wrong with it; files of one fault stand together."""
    alike: dict[str, list[str]] = {}
    for file, error in list(faults.items())[:MAX_NAMED]:
        alike.setdefault(str(error).removeprefix(f"{file}: "), []).append(str(file))
    more = [f"and {len(faults) - MAX_NAMED} more"] if len(faults) > MAX_NAMED else []
    return "; ".join([f"{', '.join(names)}: {fault}" for fault, names in alike.items()] + more)


def joined(parts: Sequence[tuple[Path, Inputs]]) -> Inputs:
    """Return the examples of several files as one; their names then begin with the file's."""
    shapes = {path: tuple(part.x.shape[1:]) for path, part in parts}
    first = shapes[parts[0][0]]
    for path, shape in shapes.items():
        if shape != first:
            raise UserError(f"{path}: its examples have the shape {shape}, those of {parts[0][0].name} {first}")
    alone = len(parts) == 1
    names = [name if alone or name == str(path) else f"{path}, {name}" for path, part in parts for name in part.names]
    return Inputs(torch.cat([part.x for _, part in parts]), names)
