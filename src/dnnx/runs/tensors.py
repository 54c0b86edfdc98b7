"""Tensors on disk as safetensors: no pickle, and each file is whole or absent."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.runs.files import write_atomic


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_atomic(path, lambda beside: beside.write_bytes(save(plain)))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors that `save_tensors` wrote. Raise UserError for any other file."""
    try:
        return load_file(path)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch opens the file once more, and raises the second
        raise UserError(f"{path}: not readable as safetensors ({error})") from None
