"""Files of weights from other programs, read as arrays by name; nothing pickled but plain tensors is loaded."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dnnx.basics.errors import UserError, message_of, require, require_installed
from dnnx.runs.tensors import load_tensors

LARGEST = 2**31  # bytes of an unpacked .npz
NESTED = ("state_dict", "model_state_dict", "model")  # keys of a checkpoint that hold its weights


def read_arrays(path: Path) -> dict[str, Tensor]:
    """Return float32 arrays by name, in the order of the layers; those of a .safetensors in natural order.

    Raise UserError for any other file. A .pt may hold tensors alone (torch's `weights_only`). A .keras needs the
    package keras, an .h5 needs h5py.
    """
    valid = path.suffix in READERS and path.is_file()
    require(valid, "weights", path, f"a file that is there: {', '.join(READERS)}")
    if path.suffix == ".keras":
        require_installed("keras", f"weights={path}")
    if path.suffix == ".h5":
        require_installed("h5py", f"weights={path}")
    try:
        arrays = READERS[path.suffix](path)
    except UserError:
        raise
    except Exception as error:  # NumPy, zipfile, torch, h5py and keras raise a dozen kinds
        reason = message_of(error, 200)
        told = f"not an {path.suffix[1:]} of numbers, and nothing pickled is loaded"
        raise UserError(f"weights={path}: {told} ({reason})") from None
    require(bool(arrays), "weights", path, "it holds no arrays by name")
    return arrays


def _safetensors(path: Path) -> dict[str, Tensor]:
    arrays = load_tensors(path)
    return {name: arrays[name].float() for name in sorted(arrays, key=_natural)}


def _npz(path: Path) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as file:
        if sum(member.file_size for member in file.zip.infolist()) > LARGEST:
            raise ValueError(f"more than {LARGEST:,} bytes")
        return {name: _tensor(file[name]) for name in file.files}


def _pt(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a state_dict, or of a checkpoint that holds one."""
    found: Any = torch.load(path, map_location="cpu", weights_only=True)
    for key in NESTED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    named = found.items() if isinstance(found, Mapping) else ()
    return {str(name): value.detach().float() for name, value in named if isinstance(value, Tensor)}


def _h5(path: Path) -> dict[str, Tensor]:
    """Return the weights of a file that `model.save("model.h5")` wrote, layer by layer."""
    import h5py

    with h5py.File(path, "r") as file:
        model = file.get("model_weights", file)
        layers = [_text(name) for name in model.attrs.get("layer_names", ())]
        told = "it does not name its layers; save the model as .keras"
        require(bool(layers), "weights", path, told)
        names = [(layer, _text(name)) for layer in layers for name in model[layer].attrs.get("weight_names", ())]
        return {name: _tensor(model[layer][name][()]) for layer, name in names}


def _keras(path: Path) -> dict[str, Tensor]:
    """Return the weights of a saved model; code that it holds, such as a lambda, is refused by keras."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    weights = keras.saving.load_model(path, compile=False, safe_mode=True).weights
    arrays = {str(weight.path): np.asarray(weight.numpy()) for weight in weights}
    return {name: _tensor(value) for name, value in arrays.items() if value.dtype.kind == "f"}


READERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    ".npz": _npz, ".safetensors": _safetensors, ".pt": _pt, ".pth": _pt, ".keras": _keras, ".h5": _h5,
}  # fmt: skip


def _tensor(value: Any) -> Tensor:
    return torch.from_numpy(np.asarray(value).astype(np.float32))


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _natural(name: str) -> list[tuple[str, int]]:
    """Return a sort key that puts dense before dense_1, and dense_10 after dense_9."""
    return [(word, int(number or -1)) for word, number in re.findall(r"(\D*)(\d*)", name)]
