"""DenseNet: fully connected blocks from the bottom up, and a linear output layer."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from dnnx.errors import choose, require
from dnnx.nets.activations import ACTIVATIONS
from dnnx.nets.dropout import DROPOUTS
from dnnx.nets.initializers import INITIALIZERS
from dnnx.nets.self_normalizing import check_net

NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


class DenseBlock(nn.Sequential):
    """linear, [norm], activation: [B, in_features] -> [B, out_features].

    Before batch norm the linear layer has no bias: the norm would take it out again, so that its gradient were
    rounding errors, which Adam and RMSprop blow up into steps of full size.
    """

    def __init__(self, in_features: int, out_features: int, activation: str, init: str, norm: str | None):
        linear = nn.Linear(in_features, out_features)
        choose("net.init", init, INITIALIZERS)(linear)
        if norm == "batch":
            linear.register_parameter("bias", None)
        super().__init__()
        self.linear = linear
        if norm is not None:
            self.norm = choose("net.norm", norm, NORMS)(out_features)
        self.activation = choose("net.activation", activation, ACTIVATIONS)()


class DenseNet(nn.Module):
    """A multilayer perceptron; DenseNet5 is `hidden=[100] * 5`.

    `hidden_layers[i]` is the i-th block from the bottom. The output layer is Glorot uniform, which suits a
    softmax, whatever `init` the hidden layers have.
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int],
        out_features: int | None,  # None: no output layer, so that the highest hidden block's output comes out
        activation: str = "elu",
        init: str = "he_normal",
        norm: str | None = None,  # "batch" or "layer", before the activation
        dropout: float = 0.0,  # after hidden blocks
        input_dropout: float = 0.0,
        dropout_kind: str = "plain",  # or "alpha"
        dropout_layers: int | None = None,  # only after so many hidden blocks, counted from the top
        self_normalizing: bool = False,  # claims to be, so anything that breaks it is an error
    ):
        super().__init__()
        valid = isinstance(hidden, Sequence) and hidden and all(type(width) is int and width > 0 for width in hidden)
        require(bool(valid), "net.hidden", hidden, "a list of widths of at least 1, for example net.hidden=[100,100]")
        _require_rate("net.dropout", dropout)
        _require_rate("net.input_dropout", input_dropout)
        num = len(hidden) if dropout_layers is None else dropout_layers
        require(
            type(num) is int and 1 <= num <= len(hidden), "net.dropout_layers", dropout_layers,
            f"null for all hidden layers, or how many from the top, 1 to {len(hidden)}",
        )  # fmt: skip
        kind = choose("net.dropout_kind", dropout_kind, DROPOUTS)
        widths = [in_features, *hidden]
        self.hidden_layers = nn.ModuleList(
            DenseBlock(below, above, activation, init, norm) for below, above in pairwise(widths)
        )
        self.output = nn.Identity() if out_features is None else nn.Linear(widths[-1], out_features)
        if isinstance(self.output, nn.Linear):
            INITIALIZERS["glorot_uniform"](self.output)
        # Dropout draws its keys last, so that the initial weights are those of the same net without it.
        self.input_dropout = kind(input_dropout) if input_dropout else nn.Identity()
        if dropout:
            for block in self.hidden_layers[-num:]:
                block.add_module("dropout", kind(dropout))
        require(isinstance(self_normalizing, bool), "net.self_normalizing", self_normalizing, "true or false")
        if self_normalizing:
            check_net(activation, init, norm, dropout_kind if dropout or input_dropout else "alpha")

    def forward(
        self, x: Tensor, start: int = 0, stop: int | None = None, return_activations: bool = False
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """[B, in_features] -> logits [B, out_features]; on request also the output of every hidden block by name.

        `stop=k` gives the output of the k lowest hidden blocks instead, and `start=k` goes on from there.
        """
        x = self.input_dropout(x) if start == 0 else x
        activations = {}
        for i in range(start, len(self.hidden_layers) if stop is None else stop):
            x = self.hidden_layers[i](x)
            activations[f"hidden_layers.{i}"] = x
        if stop is not None:
            return x
        logits = self.output(x)
        return (logits, activations) if return_activations else logits


def _require_rate(key: str, rate: float) -> None:
    require(isinstance(rate, int | float) and 0 <= rate < 1, key, rate, f"a share in [0, 1), for example {key}=0.3")
