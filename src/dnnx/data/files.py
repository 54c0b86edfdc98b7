"""The user's files: checksums, and errors that name the file."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dnnx.basics.errors import UserError


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_file(key: str, name: str) -> Path:
    """Return the path of a file that the config names. Raise UserError if it does not exist."""
    path = Path(name).expanduser()
    if not path.is_file():
        raise UserError(
            f"{key}={name}: there is no such file (in {Path.cwd() if not path.is_absolute() else path.parent})"
        )
    return path


def find_folder(key: str, name: str) -> Path:
    """Return the path of a folder that the config names. Raise UserError if it does not exist."""
    path = Path(name).expanduser()
    if not path.is_dir():
        raise UserError(f"{key}={name}: there is no such folder")
    return path


@contextmanager
def naming_file(path: Path, *kinds: type[Exception]) -> Iterator[None]:
    """Turn errors of these kinds and of the file system into a UserError that names the file."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not isinstance(error, OSError | EOFError) and not isinstance(error, kinds):
            raise
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise UserError(f"{path}: it cannot be read ({reason})") from None
