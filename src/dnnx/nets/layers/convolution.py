"""Blocks of convolutional networks: convolution with norm and activation, classifier, and sizes of feature maps."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dnnx.basics.errors import UserError, choose, is_number, require
from dnnx.nets.layers.activations import make_activation

LARGEST = 512  # pixels; an error message suggests no larger side


class ConvBlock(nn.Sequential):
    """A convolution, batch norm if `norm` is "batch", and an activation if `activation` is a name.

    `norm_at` puts the norm "before" or "after" the activation. A convolution right below batch norm has no bias,
    because the norm would cancel it; `bias=True` keeps it, as published parameter counts need it.
    """

    def __init__(
        self, below: int, above: int, kernel: int, *,
        norm: str | None = None, norm_at: str = "before", activation: str | None = "relu", bias: bool = False,
        **settings: Any,
    ):  # fmt: skip
        super().__init__()
        self.conv = nn.Conv2d(below, above, kernel, bias=bias or has_bias(norm, norm_at), **settings)
        if norm is not None and norm_at == "before":
            self.norm = nn.BatchNorm2d(above)
        if activation is not None:
            self.activation = make_activation(activation)
        if norm is not None and norm_at == "after":
            self.norm = nn.BatchNorm2d(above)


class Classifier(nn.Sequential):
    """Flatten feature maps [B, C, H, W], then hidden layers with norm, activation and dropout, then the outputs."""

    def __init__(
        self, shape: Sequence[int], hidden: Sequence[int], num_outputs: int, *,
        norm: str | None = None, norm_at: str = "before", activation: str = "relu", dropout: float = 0.0,
    ):  # fmt: skip
        super().__init__(nn.Flatten(-3))
        below = math.prod(shape)
        for i, above in enumerate(hidden):
            self.add_module(f"hidden{i}", nn.Linear(below, above, bias=has_bias(norm, norm_at)))
            if norm is not None and norm_at == "before":
                self.add_module(f"norm{i}", nn.BatchNorm1d(above))
            self.add_module(f"activation{i}", make_activation(activation))
            if norm is not None and norm_at == "after":
                self.add_module(f"norm{i}", nn.BatchNorm1d(above))
            if dropout:
                self.add_module(f"dropout{i}", nn.Dropout(dropout))
            below = above
        self.output = nn.Linear(below, num_outputs)


def has_bias(norm: str | None, norm_at: str) -> bool:
    """Return whether a layer has a bias: not right below a norm, which would subtract it."""
    return norm is None or norm_at == "after"


def check_norm(norm: str | None, norm_at: str = "before") -> None:
    """Raise UserError for a norm, or a place of it, that convolutional networks do not have."""
    require(norm in (None, "batch"), "net.norm", norm, "null or batch")
    choose("net.norm_at", norm_at, dict.fromkeys(("before", "after")))
    told = "nothing is normalized; type net.norm=batch"
    require(norm is not None or norm_at == "before", "net.norm_at", norm_at, told)


def scaled(width: int, factor: float) -> int:
    """Return `factor` times a number of channels, rounded. Raise UserError for an invalid factor."""
    told = "a factor of the number of channels in (0, 16], for example net.width=0.5"
    require(is_number(factor) and 0 < factor <= 16, "net.width", factor, told)
    return max(1, round(width * factor))


def map_shape(features: nn.Module, in_shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape [C, H, W] of the feature maps of one image, computed without data.

    Raise UserError for examples that are no images, and for images too small for a layer, which is named with a size
    that is large enough.
    """
    require(len(in_shape) == 3, "net", tuple(in_shape), "a convolutional net needs images [channels, height, width]")
    shape, failed = _traced(features, in_shape)
    if shape is not None:
        return shape
    channels, *sides = in_shape
    fitting = (side for side in range(min(sides), LARGEST + 1) if _traced(features, (channels, side, side))[0])
    side = next(fitting, None)
    advice = f"images of {side} x {side} would do" if side else "no size would do; change the net"
    raise UserError(f"net: images of {sides[0]} x {sides[1]} are too small for its layer {failed}; {advice}")


def _traced(features: nn.Module, in_shape: Sequence[int]) -> tuple[tuple[int, ...] | None, str]:
    """Return the shape of the outputs, or None and the first layer that fails, by a pass without numbers."""
    entered = ["features"]

    def note(name: str) -> Any:
        return lambda layer, args: entered.append(f"{name} ({type(layer).__name__})")

    leaves = [(name, layer) for name, layer in features.named_modules() if not any(layer.children())]
    hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in leaves]
    state = {**dict(features.named_parameters()), **dict(features.named_buffers())}
    training = features.training
    features.eval()
    try:
        x = torch.empty(1, *in_shape, device="meta")
        out: Tensor = functional_call(features, {name: value.to("meta") for name, value in state.items()}, (x,))
        return tuple(out.shape[1:]), ""
    except RuntimeError:
        return None, entered[-1]
    finally:
        features.train(training)
        for hook in hooks:
            hook.remove()
