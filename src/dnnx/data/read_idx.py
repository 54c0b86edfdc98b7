"""Read IDX files, the format of MNIST: a magic number, the sizes, then bytes."""

import gzip
import math
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from dnnx.basics.errors import UserError

UINT8 = 0x08
LIMIT = 2**30  # bytes; MNIST's largest file has 47 million
CHUNK = 2**20


def read_idx(path: Path, dims: int) -> np.ndarray:
    """Return the uint8 array with `dims` dimensions in a plain or .gz IDX file. Raise UserError for any other file."""
    try:
        with open_idx(path) as file:
            shape = _shape(path, file.read(4 + 4 * dims), dims)
            size = math.prod(shape)
            body = _read(file, size + 1)
    except PermissionError:
        raise UserError(f"{path}: no permission to read it; fix that, or point paths.data elsewhere") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it to download it again") from None
    if len(body) != size:
        found = f"{len(body)} bytes" if len(body) < size else "more"
        raise UserError(f"{path}: expected {size} bytes for {shape}, found {found}; delete it to download it again")
    return np.frombuffer(body, np.uint8).reshape(shape)


def open_idx(path: Path) -> BufferedIOBase:
    """Open a plain or .gz file for reading bytes."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _shape(path: Path, header: bytes, dims: int) -> tuple[int, ...]:
    if len(header) != 4 + 4 * dims:
        raise UserError(f"{path}: expected a header of {4 + 4 * dims} bytes, found {len(header)}")
    magic, *shape = struct.unpack(f">{1 + dims}I", header)
    if magic != (expected := UINT8 << 8 | dims):
        raise UserError(f"{path}: expected the IDX magic number {expected:#010x}, found {magic:#010x}")
    if not 0 < math.prod(shape) <= LIMIT:
        raise UserError(f"{path}: expected 1 to {LIMIT} bytes of data, found a header for {tuple(shape)}")
    return tuple(shape)


def _read(file: BufferedIOBase, size: int) -> bytearray:
    """Return at most `size` bytes. Memory grows with the bytes read, as a header may claim more than there are."""
    body = bytearray()
    while len(body) < size and (chunk := file.read(min(CHUNK, size - len(body)))):
        body += chunk
    return body
