"""Weight and bias initializers by name: weights are `<scheme>_<distribution>`, or constant."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from dnnx.basics.errors import choose

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d)
WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, *TRANSPOSED)

# Variance of a weight, from the layer's fan-in and fan-out.
VARIANCE: dict[str, Callable[[int, int], float]] = {
    "he": lambda fan_in, fan_out: 2 / fan_in,  # He et al. 2015: ReLU and its family
    "lecun": lambda fan_in, fan_out: 1 / fan_in,  # LeCun et al. 1998; SELU needs the normal one, gain 1
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),  # Glorot & Bengio 2010: tanh, logistic, softmax
    "unit": lambda fan_in, fan_out: 1.0,  # usual before the others; a baseline
    "he_average": lambda fan_in, fan_out: 4 / (fan_in + fan_out),  # the form of Géron 2017, table 11-1; Keras: fan_avg
}


def normal(weight: torch.Tensor, std: float) -> torch.Tensor:
    return nn.init.normal_(weight, std=std)


def uniform(weight: torch.Tensor, std: float) -> torch.Tensor:
    bound = math.sqrt(3) * std  # a uniform on [-r, r] has variance r^2 / 3
    return nn.init.uniform_(weight, -bound, bound)


def fans(layer: nn.Module) -> tuple[int, int]:
    """Return fan-in and fan-out of a linear layer or a convolution: the inputs and outputs of one position."""
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    first, second = weight.shape[1] * weight[0, 0].numel(), weight.shape[0] * weight[0, 0].numel()
    return (second, first) if isinstance(layer, TRANSPOSED) else (first, second)


def _initializer(variance: Callable[[int, int], float], fill: Callable[[torch.Tensor, float], torch.Tensor]):
    def initialize(layer: Any) -> None:
        fill(layer.weight, math.sqrt(variance(*fans(layer))))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)

    return initialize


def constant(layer: Any) -> None:
    """Set all weights of the layer to one random value: its units stay equal. A baseline for the other schemes.

    The value is normal with deviation sqrt(2) / fan-in. Equal terms add up, so this keeps the variance of the signal,
    as He's sqrt(2 / fan-in) does for independent weights.
    """
    nn.init.constant_(layer.weight, torch.randn(()).item() * math.sqrt(2) / fans(layer)[0])
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


INITIALIZERS: dict[str, Callable[[nn.Module], None]] = {
    f"{scheme}_{name}": _initializer(variance, fill)
    for scheme, variance in VARIANCE.items()
    for name, fill in {"normal": normal, "uniform": uniform}.items()
} | {"constant": constant}

BIASES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "zeros": nn.init.zeros_,
    "normal": lambda bias: nn.init.normal_(bias, std=0.05),  # same deviation as Keras' RandomNormal
}


def initialize(net: nn.Module, name: str) -> None:
    """Draw the weights of all linear layers and convolutions of `net` by one scheme; their biases are zero."""
    draw = choose("net.init", name, INITIALIZERS)
    for layer in net.modules():
        if isinstance(layer, WEIGHTED):
            draw(layer)
