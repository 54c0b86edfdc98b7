"""Weight initializers by name: `<scheme>_<distribution>`, zero biases."""

import math
from collections.abc import Callable

import torch
from torch import nn

# Variance of a weight, from the layer's fan-in and fan-out.
VARIANCE: dict[str, Callable[[int, int], float]] = {
    "he": lambda fan_in, fan_out: 2 / fan_in,  # He et al. 2015: ReLU and its family
    "lecun": lambda fan_in, fan_out: 1 / fan_in,  # LeCun et al. 1998; SELU needs the normal one, gain 1
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),  # Glorot & Bengio 2010: tanh, logistic, softmax
}


def _normal(weight: torch.Tensor, std: float) -> torch.Tensor:
    return nn.init.normal_(weight, std=std)


def _uniform(weight: torch.Tensor, std: float) -> torch.Tensor:
    bound = math.sqrt(3) * std  # a uniform on [-r, r] has variance r^2 / 3
    return nn.init.uniform_(weight, -bound, bound)


def _initializer(variance: Callable[[int, int], float], fill: Callable[[torch.Tensor, float], torch.Tensor]):
    def initialize(layer: nn.Linear) -> None:
        fill(layer.weight, math.sqrt(variance(layer.in_features, layer.out_features)))
        nn.init.zeros_(layer.bias)

    return initialize


INITIALIZERS: dict[str, Callable[[nn.Linear], None]] = {
    f"{scheme}_{fill.__name__.strip('_')}": _initializer(variance, fill)
    for scheme, variance in VARIANCE.items()
    for fill in (_normal, _uniform)
}
