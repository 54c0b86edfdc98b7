"""Activation functions by name."""

import math
from typing import Any

from torch import nn

from dnnx.basics.errors import choose, is_number, require

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "elu": nn.ELU,  # Clevert et al. 2016
    "relu": nn.ReLU,  # Nair & Hinton 2010
    "leaky_relu": nn.LeakyReLU,  # Maas et al. 2013
    "prelu": nn.PReLU,  # He et al. 2015, with one slope per layer
    "selu": nn.SELU,  # Klambauer et al. 2017
    "gelu": nn.GELU,  # Hendrycks & Gimpel 2016
    "silu": nn.SiLU,  # Elfwing et al. 2018
    "tanh": nn.Tanh,
    "logistic": nn.Sigmoid,
}
ALPHA = {"elu": "alpha", "leaky_relu": "negative_slope", "prelu": "init"}  # torch's name of the argument


def make_activation(name: str, alpha: float | None = None) -> nn.Module:
    """Return the activation layer of this name.

    `alpha` is minus ELU's limit, the slope of leaky ReLU below 0, or PReLU's initial slope. None is torch's default: 1,
    0.01 or 0.25.
    """
    kind = choose("net.activation", name, ACTIVATIONS)
    if alpha is None:
        return kind()
    require(
        name in ALPHA, "net.activation_alpha", alpha,
        f"{name} has none, only {', '.join(ALPHA)}; type net.activation_alpha=null",
    )  # fmt: skip
    valid = is_number(alpha) and 0 <= alpha < math.inf
    require(valid, "net.activation_alpha", alpha, "a number of at least 0, for example net.activation_alpha=0.5")
    settings: dict[str, Any] = {ALPHA[name]: alpha}
    return kind(**settings)
