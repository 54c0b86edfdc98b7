"""Weights from other programs: match their arrays by name with a network's layers."""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from dnnx.basics.errors import UserError, choose, require
from dnnx.basics.patterns import matching

Layers = dict[str, dict[str, str]]  # layer -> part -> the array's name
KERNEL = "kernel"  # Keras' name for weights [..., in, out]; here weights are [out, in, ...]
PARTS = {
    KERNEL: "weight", "gamma": "weight", "alpha": "weight", "beta": "bias", "moving_mean": "running_mean",
    "moving_variance": "running_var",
}  # fmt: skip
EPSILON = 1e-5  # batch norm here adds it to the variance
COUNTERS = {"num_batches_tracked", "key", "call"}  # of batch norm and dropout; they start at 0


@torch.no_grad()
def fill(
    own: Mapping[str, Tensor],
    arrays: Mapping[str, Tensor],
    source: object,
    renamed: Mapping[str, str] | None = None,
    fresh: Iterable[str] = (),
    dropped: Iterable[str] = (),
    epsilon: float = 1e-3,
) -> list[str]:
    """Copy `arrays`, read from `source`, into the state `own` of a network. Return a line for each copied layer.

    A layer takes the array that `renamed` maps to it, else the array of its own name, else the next unused array of its
    kind. Raise UserError unless every weight is filled or `fresh`, and every array is used or `dropped`.

    `epsilon` is the number that Keras adds to a moving_variance. Its difference from the epsilon here is added to the
    imported variance.
    """
    wanted = _layers(name for name in own if name not in matching(own, fresh, "fresh"))
    offered = _layers(name for name in arrays if name not in matching(arrays, dropped, "dropped"))
    of_layer = _pair(wanted, offered, own, arrays, renamed or {})
    pairs = {
        name: offered[of_layer[layer]][part]
        for layer, parts in wanted.items()
        for part, name in parts.items()
        if layer in of_layer and part in offered[of_layer[layer]]
    }
    missing = [name for parts in wanted.values() for name in parts.values() if name not in pairs]
    left = [name for parts in offered.values() for name in parts.values() if name not in pairs.values()]
    if missing or left:
        raise UserError(
            f"weights={source}: it lacks {', '.join(missing) or 'nothing'}, and has no place for "
            f"{', '.join(left) or 'nothing'}; name these in fresh and dropped, pair layers in map, or change net"
        )
    channels = _flattened(wanted, pairs, arrays)
    in_order = {other: _channels_first(arrays[other], channels.get(name)) for name, other in pairs.items()}
    fitting = {name: _fit(own[name], name, in_order[other], other, source, epsilon) for name, other in pairs.items()}
    for name, value in fitting.items():
        own[name].copy_(value)
    return [
        f"{name} {tuple(own[name].shape)} <- {other} {tuple(arrays[other].shape)}"
        + (f", its rows put from [..., {channels[name]}] to [{channels[name]}, ...]" if name in channels else "")
        for name, other in pairs.items()
    ]


def _layers(names: Iterable[str]) -> Layers:
    layers: Layers = {}
    for name in names:
        layer, part = _split(name)
        if part not in COUNTERS:
            layers.setdefault(layer, {})[PARTS.get(part, part)] = name
    return layers


def _split(name: str) -> tuple[str, str]:
    """Return layer and part of an array's name: `dense_1/kernel:0` is ("dense_1", "kernel")."""
    *layer, part = re.split(r"[/.](?=[^/.]*$)", re.sub(r":\d+$", "", name))
    return "".join(layer), part


def _pair(
    wanted: Layers, offered: Layers, own: Mapping[str, Tensor], arrays: Mapping[str, Tensor], renamed: Mapping[str, str]
) -> dict[str, str]:
    """Return the file's layer for each of the network's layers that has one."""
    for layer, other in renamed.items():
        choose("map", layer, wanted)
        choose(f"map.{layer}", other, offered)
    pairs = {layer: renamed.get(layer, layer) for layer in wanted if renamed.get(layer, layer) in offered}
    for kind in dict.fromkeys(_kind(parts, own) for parts in wanted.values()):
        if kind is None:
            continue
        mine = [layer for layer in wanted if layer not in pairs and _kind(wanted[layer], own) == kind]
        left = [layer for layer in offered if layer not in pairs.values() and _kind(offered[layer], arrays) == kind]
        pairs |= dict(zip(mine, left, strict=False))
    return pairs


def _kind(parts: Mapping[str, str], arrays: Mapping[str, Tensor]) -> str | None:
    if "weight" in parts and (axes := arrays[parts["weight"]].dim()) >= 2:
        return f"weight of {axes} axes"
    return "norm" if parts.keys() & {"bias", "running_mean"} else "slope" if "weight" in parts else None


def _flattened(wanted: Layers, pairs: Mapping[str, str], arrays: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the channels of the maps that Keras flattens below a linear layer, by the name of the layer's weight.

    Keras flattens [height, width, channels] and torch [channels, height, width]. Such a layer is the first one above a
    convolution, and has several inputs of each channel.
    """
    found: dict[str, int] = {}
    channels = None
    for parts in wanted.values():
        name = parts.get("weight", "")
        kernel = arrays[pairs[name]] if name in pairs and _is_kernel(pairs[name]) else None
        if kernel is None:
            continue
        if kernel.dim() == 2 and channels and len(kernel) > channels and len(kernel) % channels == 0:
            found[name] = channels
        bias = pairs.get(parts.get("bias", ""))  # a transposed convolution's kernel is (height, width, out, in)
        channels = None if kernel.dim() == 2 else kernel.shape[-1] if bias is None else len(arrays[bias])
    return found


def _channels_first(kernel: Tensor, channels: int | None) -> Tensor:
    return kernel if channels is None else kernel.unflatten(0, (-1, channels)).transpose(0, 1).flatten(0, 1)


def _is_kernel(name: str) -> bool:
    return _split(name)[1] == KERNEL


def _fit(own: Tensor, name: str, value: Tensor, other: str, source: object, epsilon: float) -> Tensor:
    is_kernel = value.dim() >= 2 and _is_kernel(other)
    fitting = value.movedim((-1, -2), (0, 1)) if is_kernel else value
    of_the_other = own if is_kernel or own.dim() < 2 else own.movedim((0, 1), (-1, -2))
    turned = value.shape == of_the_other.shape
    hint = "layers are paired in the order of their names, or by map"
    hint = "a kernel is (..., in, out), a weight (out, in, ...): is it called what it is?" if turned else hint
    require(
        fitting.shape == own.shape, "weights", source,
        f"its {other} is {tuple(value.shape)}, but {name} {tuple(own.shape)}; {hint}",
    )  # fmt: skip
    require(bool(fitting.isfinite().all()), "weights", source, f"its {other} holds values that are not finite")
    return fitting + (epsilon - EPSILON) if _split(other)[1] == "moving_variance" else fitting
