"""SmallNet: a dense network of any depth, also none, whose initial weights may be given."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.at_work import Check, must
from dnnx.basics.errors import UserError, choose, is_number, require
from dnnx.nets.dense import num_features
from dnnx.nets.layers.activations import ACTIVATIONS, make_activation

WIDEST = 100_000


def _given(name: str) -> Check:
    def there(run: Any) -> None:
        """Check that training starts from the given values."""
        linear = [path for path, layer in run.net.named_modules() if isinstance(layer, nn.Linear)]
        for path, value in zip(linear, run.cfg.net[name], strict=True):
            if value is not None:
                own = run.start[f"{path}.{'weight' if name == 'weights' else 'bias'}"]
                plain = torch.tensor(list(map(_plain, value)) if not is_number(value) else value, dtype=own.dtype)
                must(torch.equal(own, plain.expand_as(own)), f"those of {path} are others")

    return Check(f"net.{name}", lambda cfg: cfg.net.get(name) and cfg.backbone is None, there)


def _plain(value: Any) -> Any:
    return value if is_number(value) else [float(one) for one in value]


class StraightThrough(nn.Module):
    """An activation whose gradient is taken to be 1 (straight-through estimator, Bengio et al. 2013).

    It repeats the mistake of a backward pass that leaves out the derivative of the activation.
    """

    def __init__(self, activation: nn.Module):
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return x + (self.activation(x) - x).detach()


class SmallNet(nn.Module):
    """linear, activation, ..., linear: [B, *in_shape] -> [B, num_outputs]. Without hidden layers it is linear.

    Without `weights` they are uniform in [-spread, spread] and all biases are `bias`. With `weights` and `biases`,
    one entry per layer from the bottom, nothing is random: a number fills the layer, a list [out][in] or [out] is
    taken as it is. A null entry leaves that layer random.

    Example: `SmallNet(2, 1, weights=[[[10, 10]]], biases=[10])` is one unit with the weights (10, 10) and the bias 10.
    """

    batched_layers = True  # forward only passes tensors through layers
    checks = (_given("weights"), _given("biases"))

    def __init__(
        self,
        in_shape: int | Sequence[int],  # of one example
        num_outputs: int,
        hidden: Sequence[int] = (),  # units of each hidden layer, from the bottom
        activation: str = "tanh",
        output_activation: str | None = None,  # behind the output layer; None: the outputs are linear
        straight_through: bool = False,  # leave out the derivative of the output activation in the backward pass
        spread: float | None = None,  # None: Glorot's sqrt(6 / (in + out)) of each layer
        bias: float = 0.0,
        weights: Sequence[Any] | None = None,
        biases: Sequence[Any] | None = None,
    ):
        super().__init__()
        valid = all(type(n) is int and 1 <= n <= WIDEST for n in hidden)
        require(valid, "net.hidden", list(hidden), "a list of widths, for example net.hidden=[3], or [] for none")
        valid = spread is None or (is_number(spread) and spread >= 0)
        require(valid, "net.spread", spread, "null, or a number of at least 0, for example net.spread=0.5")
        self.in_dims = 1 if isinstance(in_shape, int) else len(in_shape)
        widths = [num_features(in_shape), *hidden, num_outputs]
        linear = [_layer(below, above, spread, bias) for below, above in pairwise(widths)]
        for name, given in (("weights", weights), ("biases", biases)):
            _fill(linear, name, given)
        layers: list[nn.Module] = []
        for layer in linear[:-1]:
            layers += [layer, make_activation(activation)]
        self.layers = nn.Sequential(*layers, linear[-1], *_output(output_activation, straight_through))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(-self.in_dims))


def _layer(below: int, above: int, spread: float | None, bias: float) -> nn.Linear:
    layer = nn.Linear(below, above)
    bound = (6 / (below + above)) ** 0.5 if spread is None else spread
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.constant_(layer.bias, bias)
    return layer


def _output(name: str | None, straight_through: bool) -> list[nn.Module]:
    if name is None:
        told = "it is the derivative of net.output_activation, which is null; type net.output_activation=logistic"
        require(not straight_through, "net.straight_through", straight_through, told)
        return []
    made = choose("net.output_activation", name, ACTIVATIONS)()
    return [StraightThrough(made) if straight_through else made]


@torch.no_grad()
def _fill(layers: Sequence[nn.Linear], name: str, given: Sequence[Any] | None) -> None:
    """Set the weights or biases of each layer. Raise UserError for values of another number or shape."""
    if given is None:
        return
    told = f"one entry for each of the {len(layers)} layers, from the bottom: a number, a list, or null"
    require(len(given) == len(layers), f"net.{name}", list(given), told)
    for place, (layer, value) in enumerate(zip(layers, given, strict=True)):
        own = layer.weight if name == "weights" else layer.bias
        if value is None:
            continue
        try:
            found = torch.tensor(value, dtype=own.dtype)
        except (TypeError, ValueError, RuntimeError):
            raise UserError(f"net.{name}.{place}={value}: a number, or a list of numbers of equal lengths") from None
        fits = found.dim() == 0 or found.shape == own.shape
        shape = "[outputs, inputs]" if name == "weights" else "[outputs]"
        require(fits, f"net.{name}.{place}", tuple(found.shape), f"the shape {tuple(own.shape)} is needed, {shape}")
        own.copy_(found.expand_as(own))
