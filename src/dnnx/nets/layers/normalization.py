"""Normalization of a net's layers: which kind, in which places, with which memory."""

from collections.abc import Sequence

from torch import nn

from dnnx.basics.errors import choose, is_number, require

NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}  # Ioffe & Szegedy 2015, Ba et al. 2016
PLACES = ("input", "before", "after", "logits")  # before and after: the activation of every hidden layer


class Normalization:
    """Makes the norm of each place.

    `at` is one of PLACES or several; `momentum` what a batch weighs in batch norm's running statistics, None: 0.1
    (Keras counts the other way round: its 0.99 is 0.01 here).
    """

    def __init__(self, kind: str | None, at: str | Sequence[str] = "before", momentum: float | None = None):
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
        self.kind, self.places = kind, places
        self.settings = {} if momentum is None else {"momentum": momentum}

    def has(self, place: str) -> bool:
        return self.kind is not None and place in self.places

    def takes_bias(self, place: str) -> bool:
        """Whether it would take the bias of a linear layer before it out again, so that there must be none: its
        gradient were rounding errors, which Adam and RMSprop blow up into steps of full size.
        """
        return self.kind == "batch" and place in self.places

    def make(self, features: int) -> nn.Module:
        return NORMS[str(self.kind)](features, **self.settings)

    def make_input(self, features: int) -> nn.Module:
        """It learns neither scale nor shift: the linear layer above does, unless the next norm takes them out again."""
        norm = self.make(features)
        for name in ("weight", "bias"):
            norm.register_parameter(name, None)
        return norm
