"""Batched layers: which layers have a form for R networks at once, and the replacement of a net's layers by it."""

from typing import Any

from torch import nn

from dnnx.nets.layers.dropout import AlphaDropout, ChannelAlphaDropout, ChannelDropout, Dropout
from dnnx.training import batched_images as images
from dnnx.training import batched_layers as layers
from dnnx.training.batched_functions import written_for_one
from dnnx.training.batched_layers import Batched, ByExample


def _by_channel(layer: type[nn.Module]) -> type[Batched]:
    return type(f"Batched{layer.__name__}", (images.ByChannel, layer), {})


POOLING = (
    nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d,
)  # fmt: skip
BY_EXAMPLE = (
    nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.GLU, nn.Unflatten, nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle,
    nn.ZeroPad1d, nn.ZeroPad2d, nn.ConstantPad1d, nn.ConstantPad2d, nn.ReflectionPad1d, nn.ReflectionPad2d,
    nn.ReplicationPad1d, nn.ReplicationPad2d, nn.CircularPad1d, nn.CircularPad2d,
)  # fmt: skip
AS_THEY_ARE = (
    nn.Identity, Dropout, AlphaDropout, ChannelDropout, ChannelAlphaDropout,
    nn.ELU, nn.ReLU, nn.LeakyReLU, nn.SELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.CELU, nn.Softplus, nn.Softsign,
    nn.Mish, nn.Hardtanh, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid, nn.LogSigmoid, nn.Tanhshrink, nn.Hardshrink,
    nn.Softshrink, nn.Threshold,
)  # fmt: skip
BATCHED: dict[type[nn.Module], type[Batched]] = {
    nn.Linear: layers.BatchedLinear,
    nn.BatchNorm1d: layers.BatchedBatchNorm1d,
    nn.BatchNorm2d: layers.BatchedBatchNorm2d,
    nn.LayerNorm: layers.BatchedLayerNorm,
    nn.GroupNorm: layers.BatchedGroupNorm,
    nn.PReLU: layers.BatchedPReLU,
    nn.Embedding: layers.BatchedEmbedding,
    nn.Flatten: layers.BatchedFlatten,
    nn.Conv1d: images.BatchedConv1d,
    nn.Conv2d: images.BatchedConv2d,
    nn.ConvTranspose1d: images.BatchedConvTranspose1d,
    nn.ConvTranspose2d: images.BatchedConvTranspose2d,
    **{layer: _by_channel(layer) for layer in POOLING},
    **{layer: ByExample.kind(layer) for layer in BY_EXAMPLE},
}
SETTINGS: dict[str, Any] = {  # arguments for which a batched form exists
    "padding_mode": "zeros", "return_indices": False, "max_norm": None, "scale_grad_by_freq": False, "sparse": False,
}  # fmt: skip
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def why_not_batched(net: nn.Module) -> str | None:
    """Return why `net` has no batched form, by the first part of it that has none, or None.

    A module of one's own class that holds parameters or buffers has none: only its forward knows their axes.

    >>> why_not_batched(nn.Sequential(nn.Linear(3, 2), nn.LSTM(2, 1)))
    'the layer `1` (LSTM) has no batched form'
    """
    for name, module in net.named_modules():
        kinds = {"parameter": module.named_parameters, "buffer": module.named_buffers}
        own = [(kind, part) for kind, named in kinds.items() for part, _ in named(name, recurse=False)]
        is_container = type(module) in CONTAINERS or _has_children(module)
        if _is_known(module) or (is_container and not own):
            continue
        kind = type(module)
        if own and not kind.__module__.startswith("torch."):
            which = f"the {own[0][0]} `{own[0][1]}` stands in {kind.__name__} itself"
            return f"{which}, and only layers of torch.nn have a batched form"
        return f"{f'the layer `{name}` ({kind.__name__})' if name else f'the net {kind.__name__}'} has no batched form"
    return None


def _is_known(layer: nn.Module) -> bool:
    if type(layer) in BATCHED:
        return all(getattr(layer, name, value) == value for name, value in SETTINGS.items())
    return type(layer) in AS_THEY_ARE


def make_batched(net: nn.Module) -> nn.Module:
    """Replace the layers of `net`, whose state is stacked, by their batched forms; return the net.

    Parameters keep their names. A layer in several places of the net stays one layer. A net that does not declare
    `batched_layers` and has a forward of its own is written for one batch [B, ...].
    """
    exchanged: dict[nn.Module, Any] = {
        layer: BATCHED[type(layer)].of(layer) for layer in net.modules() if type(layer) in BATCHED
    }
    for name, layer in list(net.named_modules(remove_duplicate=False)):
        if layer in exchanged and name:
            parent, _, last = name.rpartition(".")
            setattr(net.get_submodule(parent), last, exchanged[layer])
    if net in exchanged:
        return exchanged[net]
    has_both = is_declared(net) or all(type(module) in CONTAINERS for module in net.modules() if _has_children(module))
    kind: Any = type(net)
    return net if has_both else written_for_one(kind).of(net)


def is_declared(net: nn.Module) -> bool:
    """Return whether the net's own class says that its forward takes [B, ...] and [R, B, ...] alike."""
    return vars(type(net)).get("batched_layers", False)


def _has_children(module: nn.Module) -> bool:
    return any(True for _ in module.children())


def set_whole(net: nn.Module, whole: bool) -> None:
    """Let the batched layers of `net` compute all replicas at once (`whole`), or a single one."""
    for layer in net.modules():
        if isinstance(layer, Batched):
            layer.whole = whole
