"""Layers and parameters that torch does not train: those in a container of Python, and those without a gradient."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.errors import UserError, require

GRADIENT = "no gradient reaches its parameters, so nothing would be trained; take torch.no_grad() and .detach() out of"


def require_seen(net: nn.Module) -> None:
    """Raise UserError if a module holds layers or parameters in a list, tuple or dict of Python.

    torch would neither train nor save them, and each seed would compute with those of another.
    """
    seen = {*map(id, net.modules()), *map(id, net.parameters())}
    for path, module in net.named_modules():
        for name, value in vars(module).items():
            hidden = [one for one in _held(value) if id(one) not in seen]
            if hidden and not name.startswith("_"):
                kind = "ModuleList or nn.ModuleDict" if isinstance(hidden[0], nn.Module) else "ParameterList"
                where = f"{type(net).__name__}.{path}{'.' if path else ''}{name}"
                told = f"a {type(value).__name__} of Python, in which torch neither trains nor saves them"
                raise UserError(f"net: the layers or parameters in {where} are in {told}; make it an nn.{kind}")


def require_apart(net: nn.Module) -> None:
    """Raise UserError if a parameter lies in the memory of another tensor of the net, as a view of it does.

    Each tensor of a replica has its own memory, so a step of one would no longer change the other.
    """
    named = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    places: dict[int, list[tuple[int, int, str]]] = {}
    for name, value in named.items():
        if not nn.parameter.is_lazy(value) and value.numel() and value.layout == torch.strided:
            end = value.storage_offset() + sum((n - 1) * s for n, s in zip(value.shape, value.stride(), strict=True))
            places.setdefault(value.untyped_storage().data_ptr(), []).append((value.storage_offset(), end, name))
    for held in places.values():
        for (_, end, one), (start, _, other) in pairwise(sorted(held)):
            is_shared = start <= end and any(isinstance(named[name], nn.Parameter) for name in (one, other))
            told = "are two tensors in the same memory, which each seed would train apart; make them one, as in"
            if is_shared:
                raise UserError(f"net: {one} and {other} {told} self.b.weight = self.a.weight")


def require_gradient(net: nn.Module, out: Tensor) -> None:
    """Raise UserError if the outputs of a net in training mode depend on no parameter that autograd sees."""
    is_trained = any(parameter.requires_grad for parameter in net.parameters())
    require(out.requires_grad or not is_trained, "net", type(net).__name__, f"{GRADIENT} its forward")


def _held(value: Any) -> Iterable[Any]:
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [one for one in values if isinstance(one, nn.Module | nn.Parameter)]
