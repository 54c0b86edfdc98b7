"""Faults of a net that torch does not see: layers and values that it neither trains nor saves, and results of nan."""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.errors import UserError, message_of, require

SAME = 1e-5  # deviation of outputs, as a share of themselves and of the largest
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
    stored: dict[int, list[str]] = {}
    for name, value in named.items():
        if not nn.parameter.is_lazy(value) and value.numel() and value.layout == torch.strided:
            stored.setdefault(value.untyped_storage().data_ptr(), []).append(name)
    for one, other in (pair for names in stored.values() for pair in combinations(names, 2)):
        is_trained = any(isinstance(named[name], nn.Parameter) for name in (one, other))
        if is_trained and _overlap(named[one], named[other]):
            told = "are two tensors in the same memory, which several seeds would train apart; make them one, as in"
            raise UserError(f"net: {one} and {other} {told} self.b.weight = self.a.weight")


def _overlap(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors of one storage have a number in common."""
    spans = [(x.storage_offset(), x.storage_offset() + _reach(x)) for x in (one, other)]
    low, high = min(start for start, _ in spans), max(end for _, end in spans)
    if max(start for start, _ in spans) > min(end for _, end in spans):
        return False
    places = torch.arange(high - low + 1)
    of_each = (places.as_strided(x.shape, x.stride(), int(x.storage_offset() - low)).flatten() for x in (one, other))
    return bool(torch.isin(*of_each).any())


def _reach(value: Tensor) -> int:
    """Return how far the last number of a tensor lies behind its first one."""
    return int(sum((n - 1) * step for n, step in zip(value.shape, value.stride(), strict=True)))


def require_gradient(net: nn.Module, out: Tensor) -> None:
    """Raise UserError if the outputs of a net in training mode depend on no parameter that autograd sees."""
    is_trained = any(parameter.requires_grad for parameter in net.parameters())
    require(out.requires_grad or not is_trained, "net", type(net).__name__, f"{GRADIENT} its forward")


def require_numbers(name: str, results: Mapping[str, Tensor]) -> None:
    """Raise UserError if outputs or gradients of the net alone are nan, by the names that the probe gives them."""
    for key, value in results.items():
        if key.startswith(("output in training", "gradient")) and value.isnan().any():
            which = "outputs are" if key.startswith("output") else f"{key} is"
            told = "look for a division by 0, an overflow, or a log or root of 0 or less"
            raise UserError(f"net={name}: its {which} nan for the first batch, before any step; {told}")


@torch.no_grad()
def require_saved(net: nn.Module, rebuilt: nn.Module, x: Tensor) -> None:
    """Raise UserError unless the saved state of `net` makes `rebuilt`, built with another seed, the same network.

    `net` has seen a batch in training mode, which may change values that are not saved.
    """
    name, unsaved = type(net).__name__, {name for name, _ in net.named_buffers()} - {*net.state_dict()}
    try:
        rebuilt.load_state_dict(net.state_dict())
    except RuntimeError as error:
        raise UserError(f"net={name}: a batch in training changes its state, which fits no new network: "
                        f"{message_of(error)}") from None  # fmt: skip
    out, again = net.eval()(x).double(), rebuilt.eval()(x).double()
    largest = out.nan_to_num(0.0, 0.0, 0.0).norm(torch.inf).item()
    if torch.allclose(out, again, SAME, SAME * largest, equal_nan=True):
        return
    there = dict(rebuilt.named_buffers())
    other = [key for key, value in net.named_buffers() if key in unsaved and not _equal(value, there.get(key))]
    told = "a value that its state_dict() does not hold, such as a tensor in an attribute; make it a buffer"
    if other:
        told = f"the buffer {', '.join(other)}, which is not saved (persistent=False); leave out persistent=False"
    raise UserError(f"net={name}: its outputs depend on {told}; else the saved network would give other results")


def _equal(one: Tensor, other: Tensor | None) -> bool:
    return other is not None and torch.equal(one, other)


def _held(value: Any) -> Iterable[Any]:
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [one for one in values if isinstance(one, nn.Module | nn.Parameter)]
