"""Normalization of a net's layers: kind, places, momentum of the running statistics, and epsilon."""

import math
from collections.abc import Sequence

from torch import nn

from dnnx.basics.errors import choose, is_number, require

NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}  # Ioffe & Szegedy 2015, Ba et al. 2016
PLACES = ("input", "before", "after", "logits")  # before and after: the activation of every hidden layer


class Normalization:
    """Build the norm of each place.

    `at` is one or more of PLACES. `momentum` is the weight of a new batch in batch norm's running statistics; None is
    0.1. Keras counts the other way round: its 0.99 is 0.01 here. `epsilon` is added to the variance, so that nothing is
    divided by zero; None is 1e-5. Keras' is 1e-3.
    """

    def __init__(
        self,
        kind: str | None,
        at: str | Sequence[str] = "before",
        momentum: float | None = None,
        epsilon: float | None = None,
    ):
        places = [*at] if isinstance(at, list | tuple) else [at]
        for place in places or ["nothing"]:
            choose("net.norm_at", place, dict.fromkeys(PLACES))
        require(
            not {"before", "after"} <= {*places}, "net.norm_at", places,
            "a hidden layer is normalized once, before or after its activation",
        )  # fmt: skip
        require(
            kind != "batch" or not {"after", "logits"} <= {*places}, "net.norm_at", places,
            "the norm of the logits takes out what that right below learns to add; type net.norm_at=[before,logits]",
        )  # fmt: skip
        if kind is None:
            require(places == ["before"], "net.norm_at", at, "nothing is normalized; type net.norm=batch or layer")
        else:
            choose("net.norm", kind, NORMS)
        valid = momentum is None or (kind == "batch" and is_number(momentum) and 0 < momentum <= 1)
        require(valid, "net.norm_momentum", momentum, "null, or with net.norm=batch a number above 0 and up to 1")
        valid = epsilon is None or (kind is not None and is_number(epsilon) and 0 < epsilon < math.inf)
        told = "null, or with net.norm=batch or layer a number above 0, for example net.norm_epsilon=1e-3"
        require(valid, "net.norm_epsilon", epsilon, told)
        self.kind, self.places = kind, places
        self.settings = {} if momentum is None else {"momentum": momentum}
        self.settings |= {} if epsilon is None else {"eps": epsilon}

    def has(self, place: str) -> bool:
        return self.kind is not None and place in self.places

    def cancels_bias(self, place: str) -> bool:
        """Return whether the linear layer below must have no bias.

        Batch norm subtracts the mean and so cancels that bias. Its gradient would be rounding noise, which Adam and
        RMSprop scale up to steps of full size.
        """
        return self.kind == "batch" and place in self.places

    def make(self, features: int) -> nn.Module:
        return NORMS[str(self.kind)](features, **self.settings)

    def make_input(self, features: int) -> nn.Module:
        """Return the norm of the input, without scale and shift: the linear layer above can learn both."""
        norm = self.make(features)
        for name in ("weight", "bias"):
            norm.register_parameter(name, None)
        return norm
