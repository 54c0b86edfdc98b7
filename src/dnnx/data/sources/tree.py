"""Tree: the files of a folder or of a .tgz by their relative names, for data in many small files."""

import gzip
import os
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dnnx.basics.errors import UserError

LIMIT = 2**26  # bytes of one file
ARCHIVES = (".tgz", ".tar.gz")


@dataclass(frozen=True)
class Tree:
    """Files by names with slashes, such as train/cat/1.jpg. Those of an archive are in memory."""

    path: Path
    folders: Mapping[str, list[str]]  # of every folder, "" the top, the names of the files in it, sorted
    contents: Mapping[str, bytes] | None = None  # of an archive

    def read(self, name: str) -> bytes:
        """Return the contents of a file. Raise UserError if it cannot be read."""
        try:
            return Path(self.path, name).read_bytes() if self.contents is None else self.contents[name]
        except OSError as error:
            raise UserError(f"{self.told(name)}: it cannot be read ({error.strerror})") from None

    def has(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        folder, _, file = name.rpartition("/")
        return file in self.folders.get(folder, ())

    def files(self, folder: str) -> list[str]:
        """Return the full names of the files in a folder, without hidden ones."""
        return [f"{folder}/{name}" for name in self.folders.get(folder, ()) if name[0] != "."]

    def subfolders(self, folder: str = "") -> list[str]:
        """Return the names of the folders in a folder, sorted, without hidden ones."""
        start = f"{folder}/" if folder else ""
        inside = (name.removeprefix(start) for name in self.folders if name.startswith(start))
        return sorted(name for name in inside if name and "/" not in name and name[0] != ".")

    def told(self, name: str) -> str:
        """Return the name of a file or folder for a message."""
        return f"{self.path}/{name}" if name else str(self.path)


def open_tree(key: str, name: str) -> Tree:
    """Return the files of the folder or the .tgz that a config names; a folder may hold nothing but one .tgz.

    Raise UserError if there is neither.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        inside = [own for own in path.iterdir() if own.name[0] != "."]
        if len(inside) == 1 and inside[0].name.endswith(ARCHIVES):
            return _archive(inside[0])
        return _folder(path)
    if path.is_file() and path.name.endswith(ARCHIVES):
        return _archive(path)
    raise UserError(f"{key}={name}: there is no such folder, and no such archive that ends in {' or '.join(ARCHIVES)}")


def _folder(path: Path) -> Tree:
    folders = {}
    for place, inside, files in os.walk(path):
        inside.sort()
        folders[os.path.relpath(place, path).replace(os.sep, "/").removeprefix(".")] = sorted(files)
    return Tree(path, folders)


def _archive(path: Path) -> Tree:
    contents = {}
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                name = os.path.normpath(member.name)
                if member.size > LIMIT:
                    raise UserError(f"{path}: {name} has {member.size:,} bytes, expected at most {LIMIT:,}")
                if file := tar.extractfile(member) if member.isfile() else None:
                    contents[name] = file.read()
            stream.read(2**20)  # so that gzip verifies its checksum
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise UserError(f"{path}: truncated or damaged ({error}); copy or download it again") from None
    return Tree(path, _folders_of(sorted(contents)), contents)


def _folders_of(names: Iterable[str]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = defaultdict(list, {"": []})
    for name in names:
        folder, _, file = name.rpartition("/")
        folders[folder].append(file)
        while folder:
            folder = folder.rpartition("/")[0]
            _ = folders[folder]
    return dict(folders)
