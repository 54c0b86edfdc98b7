"""DenseNet: fully connected blocks from the bottom up, and a linear output layer."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from dnnx.basics.errors import choose, require
from dnnx.nets.dense_checks import DENSE_CHECKS
from dnnx.nets.layers.activations import make_activation
from dnnx.nets.layers.dropout import DROPOUTS, check_share
from dnnx.nets.layers.initializers import BIASES, INITIALIZERS
from dnnx.nets.layers.normalization import Normalization
from dnnx.nets.layers.self_normalizing import check_net

WIDEST = 100_000


class DenseBlock(nn.Sequential):
    """linear, [norm], activation, or with the norm last: [B, in_features] -> [B, out_features]."""

    def __init__(self, in_features: int, out_features: int, activation: nn.Module, init: str, norms: Normalization):
        linear = nn.Linear(in_features, out_features)
        choose("net.init", init, INITIALIZERS)(linear)
        if norms.cancels_bias("before"):
            linear.register_parameter("bias", None)
        super().__init__()
        self.linear = linear
        if norms.has("before"):
            self.norm = norms.make(out_features)
        self.activation = activation
        if norms.has("after"):
            self.norm = norms.make(out_features)


class DenseNet(nn.Module):
    """A multilayer perceptron on flattened inputs; DenseNet5 is `hidden=[100] * 5`.

    `hidden_layers[i]` is the i-th block from the bottom. The output layer is Glorot uniform, which suits a softmax, for
    every `init` of the hidden layers. Constant weights are the exception: Glorot weights would break their equality.
    """

    checks = DENSE_CHECKS
    batched_layers = True  # forward only passes tensors through layers
    told_by_layers = True  # no argument acts but through the layers and their initial weights

    def __init__(
        self,
        in_shape: int | Sequence[int],  # of one example
        hidden: Sequence[int],
        num_outputs: int | None,  # None: no output layer, the top hidden block is the output
        *,
        activation: str = "elu",
        activation_alpha: float | None = None,  # of elu, leaky_relu, prelu; None: torch's
        init: str = "he_normal",
        bias_init: str = "zeros",  # or "normal"
        norm: str | None = None,  # "batch" or "layer"
        norm_at: str | Sequence[str] = "before",  # of "input", "before" or "after" the activation, "logits"
        norm_momentum: float | None = None,  # of batch norm; None: 0.1
        norm_epsilon: float | None = None,  # added to the variance; None: 1e-5
        dropout: float = 0.0,  # after hidden blocks
        input_dropout: float = 0.0,
        dropout_kind: str = "plain",  # or "alpha"
        dropout_layers: int | None = None,  # number of hidden blocks with dropout, counted from the top; None: all
        self_normalizing: bool = False,  # promise; a setting that breaks self-normalization is an error
    ):
        super().__init__()
        _require_widths(hidden)
        norms = Normalization(norm, norm_at, norm_momentum, norm_epsilon)
        self.in_dims = 1 if isinstance(in_shape, int) else len(in_shape)
        widths = [num_features(in_shape), *hidden]
        self.input_norm = norms.make_input(widths[0]) if norms.has("input") else nn.Identity()
        self.hidden_layers = nn.ModuleList(
            DenseBlock(below, above, make_activation(activation, activation_alpha), init, norms)
            for below, above in pairwise(widths)
        )
        self._add_output(widths[-1], num_outputs, init, norms)
        self._draw_biases(bias_init)  # after all weights, so the weights equal those of the same net with other biases
        self._add_dropout(dropout, input_dropout, dropout_kind, dropout_layers)  # last: its keys change no weight
        require(isinstance(self_normalizing, bool), "net.self_normalizing", self_normalizing, "true or false")
        if self_normalizing:
            check_net(activation, init, norm, dropout_kind if dropout or input_dropout else "alpha")

    def _add_output(self, width: int, num_outputs: int | None, init: str, norms: Normalization) -> None:
        self.output = nn.Identity() if num_outputs is None else nn.Linear(width, num_outputs)
        self.logits_norm: nn.Module = nn.Identity()
        if isinstance(self.output, nn.Linear):
            INITIALIZERS[init if init == "constant" else "glorot_uniform"](self.output)
            if norms.has("logits"):
                self.logits_norm = norms.make(self.output.out_features)
            if norms.cancels_bias("logits"):
                self.output.register_parameter("bias", None)

    def _draw_biases(self, bias_init: str) -> None:
        initialize = choose("net.bias_init", bias_init, BIASES)
        for layer in self.modules():
            if isinstance(layer, nn.Linear) and layer.bias is not None:
                initialize(layer.bias)

    def _add_dropout(self, rate: float, input_rate: float, kind: str, layers: int | None) -> None:
        check_share("net.dropout", rate)
        check_share("net.input_dropout", input_rate)
        depth = len(self.hidden_layers)
        num = depth if layers is None else layers
        require(
            type(num) is int and 1 <= num <= depth, "net.dropout_layers", layers,
            f"null for all hidden layers, or how many from the top, 1 to {depth}",
        )  # fmt: skip
        make = choose("net.dropout_kind", kind, DROPOUTS)
        self.input_dropout = make(input_rate) if input_rate else nn.Identity()
        if rate:
            for block in self.hidden_layers[-num:]:
                block.add_module("dropout", make(rate))

    @property
    def input_layers(self) -> list[nn.Module]:
        """Return the layers below the lowest hidden one; they have no parameters."""
        return [self.input_norm, self.input_dropout]

    def in_order(self) -> list[nn.Module]:
        """Return the layers through which `forward` passes a batch."""
        return [nn.Flatten(), *self.input_layers, *self.hidden_layers, self.output, self.logits_norm]

    def forward(
        self, x: Tensor, start: int = 0, stop: int | None = None, return_activations: bool = False
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Return logits: [B, *in_shape] -> [B, num_outputs]. `return_activations` adds the output of every hidden block
        by name.

        `stop=k` returns the output of the k lowest hidden blocks instead. `start=k` continues from there.
        """
        x = self.input_dropout(self.input_norm(x.flatten(-self.in_dims))) if start == 0 else x
        activations = {}
        for i in range(start, len(self.hidden_layers) if stop is None else stop):
            x = self.hidden_layers[i](x)
            activations[f"hidden_layers.{i}"] = x
        if stop is not None:
            return x
        logits = self.logits_norm(self.output(x))
        return (logits, activations) if return_activations else logits


def num_features(in_shape: int | Sequence[int]) -> int:
    """Return the number of features of an example of this shape."""
    return in_shape if isinstance(in_shape, int) else math.prod(in_shape)


def _require_widths(hidden: Sequence[int]) -> None:
    valid = isinstance(hidden, Sequence) and hidden and all(type(n) is int and 1 <= n <= WIDEST for n in hidden)
    told = f"a list of widths from 1 to {WIDEST:,}, for example net.hidden=[100,100]"
    require(bool(valid), "net.hidden", hidden, told)
