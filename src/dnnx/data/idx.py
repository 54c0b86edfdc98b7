"""Reads IDX files, the format of MNIST: a magic number, the sizes, then bytes."""

import gzip
import struct
from pathlib import Path

import numpy as np

from dnnx.errors import UserError

UINT8 = 0x08


def read_idx(path: Path, dims: int) -> np.ndarray:
    """The uint8 array of `dims` dimensions in a plain or .gz IDX file; UserError when it is anything else."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(4 + 4 * dims)
            shape = _shape(path, header, dims)
            size = int(np.prod(shape, dtype=object))
            available = path.stat().st_size - len(header) if path.suffix != ".gz" else size
            body = file.read(min(size, available))  # an absurd header never makes a huge allocation
            extra = len(file.read(1))
    except PermissionError:
        raise UserError(f"{path}: no permission to read it; fix that, or point paths.data elsewhere") from None
    except (OSError, EOFError, gzip.zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it to download it anew") from None
    if len(body) != size or extra:
        found = f"{len(body)} bytes" if len(body) < size else "more"
        raise UserError(f"{path}: expected {size} bytes for {shape}, found {found}; delete it to download it anew")
    return np.frombuffer(body, np.uint8).reshape(shape)


def _shape(path: Path, header: bytes, dims: int) -> tuple[int, ...]:
    expected = UINT8 << 8 | dims
    magic = int.from_bytes(header[:4], "big")
    if magic != expected:
        raise UserError(f"{path}: expected the IDX magic number {expected:#010x}, found {magic:#010x}")
    if len(header) != 4 + 4 * dims:
        raise UserError(f"{path}: expected a header of {4 + 4 * dims} bytes, found {len(header)}")
    return struct.unpack(f">{dims}I", header[4:])
