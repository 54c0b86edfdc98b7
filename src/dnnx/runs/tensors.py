"""Tensors on disk as safetensors: no pickle, and each file is whole or absent."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.runs.files import write_atomic


def as_bytes(tensors: Mapping[str, Tensor], facts: dict[str, str] | None = None) -> bytes:
    """Return tensors as the content of a safetensors file; a tensor with several names is written under each."""
    form = torch.contiguous_format
    apart = {name: value.detach().to("cpu", copy=True, memory_format=form) for name, value in tensors.items()}
    return save(apart, metadata=facts)


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    write_atomic(path, lambda beside: beside.write_bytes(as_bytes(tensors)))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors that `save_tensors` wrote. Raise UserError for any other file."""
    try:
        return load_file(path)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch opens the file once more, and raises the second
        raise UserError(f"{path}: not readable as safetensors ({error})") from None
