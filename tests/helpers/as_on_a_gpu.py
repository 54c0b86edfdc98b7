"""A GPU for tests on a CPU: tensors on the meta device, which have no numbers, and a count of copies and syncs.

A meta tensor mixes with tensors of the CPU as little as one of a GPU, and its numbers cannot be read. So it shows each
copy between devices, and each wait for the device, that a step would need on a GPU.
"""

import sys
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

META = torch.device("meta")
READS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "equal")  # they wait for the device
COPIES = ("_to_copy", "copy_")
WITHOUT_META = ("_fused_adam_", "_fused_adamw_", "_fused_sgd_", "_fused_adagrad_")  # kernels that change their inputs


class Crossings(TorchDispatchMode):
    """Collects in `found` the operators that copy between devices or wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = func.overloadpacket.__name__, kwargs or {}
        given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        masked = name.startswith("index") and any(value.dtype == torch.bool for value in given[1:])
        away = any(value.device.type != "cpu" for value in given)
        if away and (name in READS or masked):
            self.found.append(f"{name} waits for the device")
        out = None if name in WITHOUT_META else func(*args, **kwargs)
        both = [value for value in (*given, *tree_leaves(out)) if isinstance(value, Tensor)]
        devices = {value.device.type for value in both if value.dim() or name in COPIES}  # a number is an argument
        if len(devices) > 1:
            self.found.append(f"{name} between {' and '.join(sorted(devices))}")
        return out


def allow_fused(monkeypatch: Any) -> None:
    """Let torch's optimizers choose their fused kernels for meta tensors."""
    for name, module in list(sys.modules.items()):
        if name.startswith("torch.optim") and hasattr(module, "_get_fused_kernels_supported_devices"):
            monkeypatch.setattr(module, "_get_fused_kernels_supported_devices", lambda: ["meta", "cpu", "cuda"])
