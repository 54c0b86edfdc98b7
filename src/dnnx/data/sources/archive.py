"""Files of a folder or a .tar.gz, one by one. An archive is read as a stream and never unpacked."""

import gzip
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from dnnx.basics.errors import UserError

TAIL = 2**20  # bytes read after the last file, so that gzip verifies its checksum


def read_files(path: Path, wanted: Callable[[str], bool], limit: int) -> Iterator[tuple[str, bytes]]:
    """Yield name in `path` and contents of each file whose name is `wanted`, such as train/cat/0001.png.

    Raise UserError if `path` is unreadable, or a wanted entry is not a regular file or has more than `limit` bytes.
    """
    try:
        yield from _of_folder(path, wanted, limit) if path.is_dir() else _of_archive(path, wanted, limit)
    except PermissionError:
        raise
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise UserError(f"{path}: truncated or damaged ({error}); copy or download it again") from None


def list_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name in `folder` and path of all files at any depth, unsorted; fast for 60,000 files."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = f"{place}{os.sep}{name}"
            yield path[len(str(folder)) + 1 :].replace(os.sep, "/"), path


def _of_folder(path: Path, wanted: Callable[[str], bool], limit: int) -> Iterator[tuple[str, bytes]]:
    for name, file in list_files(path):
        if wanted(name):
            _check(path, name, os.path.isfile(file), os.path.getsize(file), limit)
            yield name, Path(file).read_bytes()


def _of_archive(path: Path, wanted: Callable[[str], bool], limit: int) -> Iterator[tuple[str, bytes]]:
    with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            name = member.name.removeprefix("./").partition("/")[2]
            if wanted(name):
                _check(path, name, member.isfile(), member.size, limit)
                file = tar.extractfile(member)
                assert file is not None, "a regular file"
                yield name, file.read()
        stream.read(TAIL)


def _check(path: Path, name: str, regular: bool, size: int, limit: int) -> None:
    if not regular:
        raise UserError(f"{path}: {name} is no regular file")
    if size > limit:
        raise UserError(f"{path}: {name} has {size:,} bytes, expected at most {limit:,}")
