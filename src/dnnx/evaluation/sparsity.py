"""Savings by zero weights: bytes and seconds of a network in compressed sparse rows (CSR) and dense."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.runs.tensors import as_bytes
from dnnx.techniques.pruning import zero_share

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")


class SparseLinear(nn.Linear):
    """A linear layer with `weight` in CSR.

    It computes [features, B] and returns a transposed view, so that only the input of the lowest layer is copied.
    Sparse rows are read in order, and all images of a column together.
    """

    def forward(self, x: Tensor) -> Tensor:
        out = self.weight @ x.T
        return (out if self.bias is None else out + self.bias[:, None]).T


def measure(module: Any, survived: Sequence[bool], seconds: Callable[[Any], float]) -> dict[str, list]:
    """Return the share of zeros among the linear weights of each seed.

    If any weight is zero, also return the bytes of each network as a safetensors file, dense and in CSR. The `seconds`
    are those of the first surviving seed as a single module, also dense and in CSR.
    """
    state = module.replicas.stacked_state()
    layers = linear_layers(module.replicas.net)
    matrices = [name for name, value in state.items() if value.dim() > 2 and name.endswith("weight")]
    if not matrices:
        return {}
    nets = [{name: value[r].cpu() for name, value in state.items()} if ok else {} for r, ok in enumerate(survived)]
    shares = [zero_share([net[name] for name in matrices], 1).item() if net else None for net in nets]
    results: dict[str, list] = {"sparsity": shares}
    if any(shares):
        rows = [compress(net, layers) if net else {} for net in nets]
        results["size/dense_bytes"] = [len(as_bytes(net)) if net else None for net in nets]
        results["size/sparse_bytes"] = [len(as_bytes(row)) if row else None for row in rows]
        first = list(survived).index(True)
        one = module.alone(nets[first])
        results["time/dense_s"] = [seconds(one)] * len(nets)
        use_rows(one.replicas.net, rows[first])
        results["time/sparse_s"] = [seconds(one)] * len(nets)
    return results


def linear_layers(net: nn.Module) -> dict[str, nn.Linear]:
    return {name: layer for name, layer in net.named_modules() if isinstance(layer, nn.Linear)}


def compress(state: Mapping[str, Tensor], layers: Mapping[str, nn.Linear]) -> dict[str, Tensor]:
    """Return the state of one network with each linear weight [out, in] in CSR.

    `values` are its nonzero elements, row by row. `columns` are their columns, in 16 bits, or 32 from 65,537 inputs on.
    `row_starts` [out + 1] are the indices at which the rows begin.
    """
    compressed = dict(state)
    for name in layers:
        rows = compressed.pop(f"{name}.weight").to_sparse_csr()
        columns = rows.col_indices().to(torch.uint16 if rows.shape[1] <= 2**16 else torch.int32)
        compressed |= {f"{name}.weight.values": rows.values(), f"{name}.weight.columns": columns}
        compressed[f"{name}.weight.row_starts"] = rows.crow_indices().int()
    return compressed


def use_rows(net: nn.Module, compressed: Mapping[str, Tensor]) -> None:
    """Replace the linear layers of a network by SparseLinear with the weights of `compress`; for inference only."""
    for name, layer in linear_layers(net).items():
        starts, columns, values = (compressed[f"{name}.weight.{part}"] for part in ("row_starts", "columns", "values"))
        size = (layer.out_features, layer.in_features)
        weight = torch.sparse_csr_tensor(starts, columns.int(), values, size, check_invariants=True)
        layer.__class__ = SparseLinear
        layer.weight = nn.Parameter(weight, requires_grad=False)
