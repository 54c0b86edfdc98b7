"""The ways to run R networks of one shape: batched layers, vmap, or one network after another."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import derive
from dnnx.nets.layers.dropout import own_streams


def build_net(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Return the network of this seed alone; its dropout layers draw from streams of their own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "init"))
        return own_streams(build())


def stack(nets: Sequence[nn.Module]) -> nn.Module:
    """Return the first net with the parameters and buffers of all, each under its name with a leading axis R.

    A tensor that stands under several names still does.
    """
    named = [{**dict(net.named_parameters()), **dict(net.named_buffers())} for net in nets]
    lazy = [name for name, value in named[0].items() if nn.parameter.is_lazy(value)]
    if lazy:
        raise UserError(f"net: the size of {lazy[0]} is not known before the first batch; give its layer a size")
    stacked: dict[Tensor, Tensor] = {}
    for name, value in named[0].items():
        values = torch.stack([of_net[name].detach() for of_net in named])
        is_parameter = isinstance(value, nn.Parameter)
        stacked[value] = nn.Parameter(values, requires_grad=value.requires_grad) if is_parameter else values
    for owner in list(nets[0].modules()):
        own = [*owner.named_parameters(recurse=False, remove_duplicate=False)]
        for name, value in [*own, *owner.named_buffers(recurse=False, remove_duplicate=False)]:
            setattr(owner, name, stacked[value])
    return nets[0]


def alone(net: nn.Module, num: int, x: Tensor, shared: bool, kwargs: dict[str, Any]) -> Any:
    return each(lambda values: values[0][None], [net(x if shared else x[0], **kwargs)])


def batched(net: nn.Module, num: int, x: Tensor, shared: bool, kwargs: dict[str, Any]) -> Any:
    return net(x.expand(num, *x.shape) if shared else x, **kwargs)


def vmapped(net: nn.Module, num: int, x: Tensor, shared: bool, kwargs: dict[str, Any]) -> Any:
    def one(state: dict[str, Tensor], x: Tensor) -> Any:
        given = dict(state)
        out = functional_call(net, state, (x,), kwargs)
        return out, {name: state[name] for name in given if state[name] is not given[name]}

    state = state_of(net)
    out, assigned = vmap(one, in_dims=(0, None if shared else 0))(state, x)
    for name, value in assigned.items():
        state[name].copy_(value.detach())
    return out


def looped(net: nn.Module, num: int, x: Tensor, shared: bool, kwargs: dict[str, Any]) -> Any:
    parts = {name: value.unbind() for name, value in state_of(net).items()}
    outs = []
    for r in range(num):
        state = {name: values[r] for name, values in parts.items()}
        outs.append(functional_call(net, state, (x if shared else x[r],), kwargs))
        for name, values in parts.items():
            if state[name] is not values[r]:  # forward assigned a buffer anew
                values[r].copy_(state[name].detach())
    return each(torch.stack, outs)


def state_of(net: nn.Module) -> dict[str, Tensor]:
    return {**dict(net.named_parameters()), **dict(net.named_buffers())}


def each(function: Callable[[Any], Tensor], outs: Iterable[Any]) -> Any:
    """Apply `function` to the tensors that stand in the same place of every output: a tensor, tuple, list or dict."""
    first, *_ = outs = list(outs)
    if isinstance(first, dict):
        return {name: each(function, [out[name] for out in outs]) for name in first}
    if isinstance(first, tuple | list):
        return type(first)(each(function, column) for column in zip(*outs, strict=True))
    return function(outs) if isinstance(first, Tensor) else first


Way = Callable[[nn.Module, int, Tensor, bool, dict[str, Any]], Any]
WAYS: dict[str, Way] = {"batched": batched, "vmap": vmapped, "loop": looped}  # the fastest first
ALONE = "alone"
RUN: dict[str, Way] = {ALONE: alone, **WAYS}
