"""The ways to run R networks of one shape: batched layers, vmap, or a loop."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import derive
from dnnx.nets.layers.dropout import own_streams


def build_net(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Return the network of this seed; its dropout layers have their own random streams."""
    with _initial_stream(seed):
        return own_streams(build())


def build_plain(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Return the network of this seed with the dropout layers of `build`."""
    with _initial_stream(seed):
        return build()


@contextmanager
def _initial_stream(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "init"))
        yield


def stack(nets: Sequence[nn.Module]) -> nn.Module:
    """Return the first net with the parameters and buffers of all, each under its name with a leading axis R.

    A tensor with several names keeps them.
    """
    named = [state_of(net) for net in nets]
    lazy = [name for name, value in named[0].items() if nn.parameter.is_lazy(value)]
    if lazy:
        raise UserError(f"net: the size of {lazy[0]} is not known before the first batch; give its layer a size")
    stacked: dict[Tensor, Tensor] = {}
    for name, value in named[0].items():
        if value in stacked:
            continue
        values = torch.stack([of_net[name].detach() for of_net in named])
        is_parameter = isinstance(value, nn.Parameter)
        stacked[value] = nn.Parameter(values, requires_grad=value.requires_grad) if is_parameter else values
    for owner in list(nets[0].modules()):
        own = [*owner.named_parameters(recurse=False, remove_duplicate=False)]
        for name, value in [*own, *owner.named_buffers(recurse=False, remove_duplicate=False)]:
            setattr(owner, name, stacked[value])
    return nets[0]


@dataclass(frozen=True)
class Batch:
    """Inputs [R, B, ...], or [B, ...] for all replicas if `shared`, and further arguments of forward.

    `streams[r]` seeds torch's global stream for replica r, if a forward draws from it.
    """

    x: Tensor
    shared: bool = False
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    streams: Sequence[int] | None = None

    def of(self, r: int) -> Tensor:
        return self.x if self.shared else self.x[r]

    def stream(self, r: int) -> AbstractContextManager[None]:
        return nullcontext() if self.streams is None else _stream(self.streams[r], self.x.device)


@contextmanager
def _stream(seed: int, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(beside_cpu(device)):
        torch.manual_seed(seed)
        yield


def beside_cpu(device: torch.device) -> list[torch.device]:
    """Return the devices besides the CPU whose random streams a computation on `device` may use."""
    return [device] if device.type == "cuda" else []


def alone(net: nn.Module, num: int, batch: Batch) -> Any:
    with batch.stream(0):
        out = net(batch.of(0), **batch.kwargs)
    return out[None] if isinstance(out, Tensor) else each(lambda values: values[0][None], [out])


def batched(net: nn.Module, num: int, batch: Batch) -> Any:
    x = batch.x
    return net(x.expand(num, *x.shape) if batch.shared else x, **batch.kwargs)


def vmapped(net: nn.Module, num: int, batch: Batch) -> Any:
    def one(state: dict[str, Tensor], x: Tensor) -> Any:
        given = dict(state)
        out = functional_call(net, state, (x,), dict(batch.kwargs), tie_weights=False)
        return out, {name: state[name] for name in given if state[name] is not given[name]}

    state = state_of(net)
    out, assigned = vmap(one, in_dims=(0, None if batch.shared else 0))(state, batch.x)
    for name, value in assigned.items():  # buffers that forward replaced
        state[name].copy_(value.detach())
    return out


def looped(net: nn.Module, num: int, batch: Batch) -> Any:
    parts = {name: value.unbind() for name, value in state_of(net).items()}
    outs = []
    for r in range(num):
        state = {name: values[r] for name, values in parts.items()}
        with batch.stream(r):
            outs.append(functional_call(net, state, (batch.of(r),), dict(batch.kwargs), tie_weights=False))
        for name, values in parts.items():
            if state[name] is not values[r]:  # a buffer that forward replaced
                values[r].copy_(state[name].detach())
    return each(torch.stack, outs)


def state_of(net: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of every module of `net`, a tied one under each of its names.

    A module in several places has one name; under a second name `functional_call` would leave its values replaced.
    """
    state: dict[str, Tensor] = {}
    for path, module in net.named_modules():
        state |= dict(module.named_parameters(prefix=path, recurse=False, remove_duplicate=False))
        state |= dict(module.named_buffers(prefix=path, recurse=False, remove_duplicate=False))
    return state


def each(function: Callable[[Any], Tensor], outs: Iterable[Any]) -> Any:
    """Apply `function` to the tensors at the same place of every output: a tensor, tuple, list or dict."""
    first, *_ = outs = list(outs)
    if isinstance(first, dict):
        return {name: each(function, [out[name] for out in outs]) for name in first}
    if isinstance(first, tuple | list):
        return type(first)(each(function, column) for column in zip(*outs, strict=True))
    return function(outs) if isinstance(first, Tensor) else first


Way = Callable[[nn.Module, int, Batch], Any]
WAYS: dict[str, Way] = {"batched": batched, "vmap": vmapped, "loop": looped}
ALONE = "alone"
RUN: dict[str, Way] = {ALONE: alone, **WAYS}
DRAWS = "forward draws random numbers (F.dropout, torch.rand), which only a loop gives each seed by itself"
SLOWER = "on a CPU a loop is faster where a net convolves; replicas=vmap chooses it all the same"
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def convolves(net: nn.Module) -> bool:
    return any(isinstance(layer, CONVOLUTIONS) for layer in net.modules())


def fastest_first(ways: Sequence[str], net: nn.Module, device: torch.device) -> list[str]:
    """Sort ways to run replicas of `net` by the speeds measured in docs/speed.md.

    On a CPU, convolutions are slower by vmap than in a loop.
    """
    last = "vmap" if device.type == "cpu" and convolves(net) else "loop"
    return [way for way in ways if way != last] + [way for way in ways if way == last]
