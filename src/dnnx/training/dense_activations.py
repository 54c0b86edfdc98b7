"""The activations of a dense step: each plans the calls of its forward and backward pass."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnnx.training.dense_passes import Calls, Pass

aten = torch.ops.aten


class ByOutputPass(Pass):
    """An activation whose derivative follows from its output, which takes the place of the input where it may."""

    output_is_free = False

    def forward(self, calls: Calls) -> Tensor:
        function, self.derive = BY_OUTPUT[type(self.layer)](self.layer)
        self.y = self.x if self.is_own else self.x.new_empty(self.x.shape)
        if not self.is_own:
            calls.add(self.y.copy_, self.x)
        calls.add(function, self.y)
        return self.y

    def backward(self, gradient: Tensor, calls: Calls) -> Tensor:
        calls.append(self.derive(gradient, self.y))
        return gradient


class ByInputPass(Pass):
    """An activation whose derivative needs its input."""

    def forward(self, calls: Calls) -> Tensor:
        function, self.derive = BY_INPUT[type(self.layer)](self.layer)
        out = self.x.new_empty(self.x.shape)
        calls.add(function, self.x, out=out)
        return out

    def backward(self, gradient: Tensor, calls: Calls) -> Tensor:
        calls.append(self.derive(gradient, self.x))
        return gradient


class PReLUPass(Pass):
    """One slope w below 0, or one for each unit."""

    def forward(self, calls: Calls) -> Tensor:
        x = self.x
        self.weight = self.layer.weight.detach().view(len(x), -1, 1)
        self.low, self.out = x.new_empty(x.shape), x.new_empty(x.shape)
        calls.add(torch.clamp, x, max=0, out=self.low)
        calls.add(torch.clamp, x, min=0, out=self.out)
        calls.add(self.out.addcmul_, self.low, self.weight)
        return self.out

    def backward(self, gradient: Tensor, calls: Calls) -> Tensor:
        above, down = torch.empty_like(self.low, dtype=torch.bool), torch.empty_like(self.low)
        calls.add(torch.gt, self.x, 0, out=above)
        if (own := self.own(self.layer.weight, *self.weight.shape[:2])) is not None:
            calls.add(self.low.mul_, gradient)
            calls.add(torch.sum, self.low if own.shape[1] > 1 else self.low.view(len(own), 1, -1), 2, out=own)
        calls.add(torch.mul, gradient, self.weight, out=down)
        calls.add(torch.where, above, gradient, down, out=down)
        return down


def _in_place(operator: Any, **settings: Any) -> Callable[[Tensor, Tensor], Any]:
    """Return what makes the call by which the gradient of an input takes the place of the output's."""
    return lambda gradient, value: partial(operator, gradient, value, grad_input=gradient, **settings)


def _elu(alpha: float, scale: float = 1.0) -> Any:
    def derive(gradient: Tensor, y: Tensor) -> Any:
        return partial(aten.elu_backward.grad_input, gradient, alpha, scale, 1.0, True, y, grad_input=gradient)

    return lambda x: F.elu_(x, alpha, scale), derive  # type: ignore[call-arg]


def _leaky_relu(layer: Any) -> Any:
    slope = layer.negative_slope
    derive = _in_place(aten.leaky_relu_backward.grad_input, negative_slope=slope, self_is_result=True)
    return partial(aten.leaky_relu_, negative_slope=slope), derive


def _gelu(layer: Any) -> Any:
    kind = {"approximate": layer.approximate}
    return partial(aten.gelu.out, **kind), _in_place(aten.gelu_backward.grad_input, **kind)


def _of(function: Any, operator: Any, **settings: Any) -> Callable[[Any], Any]:
    return lambda layer: (function, _in_place(operator, **settings))


# An activation by its class: its function, which writes in place or to `out`; and what makes the call that writes the
# gradient of its input in the place of its output's, which it is given with the output or the input.
BY_OUTPUT: dict[type[nn.Module], Callable[[Any], Any]] = {
    nn.ELU: lambda layer: _elu(layer.alpha),
    nn.SELU: lambda _: _elu(1.6732632423543772, 1.0507009873554805),
    nn.ReLU: _of(torch.relu_, aten.threshold_backward.grad_input, threshold=0),
    nn.LeakyReLU: _leaky_relu,
    nn.Tanh: _of(torch.tanh_, aten.tanh_backward.grad_input),
    nn.Sigmoid: _of(torch.sigmoid_, aten.sigmoid_backward.grad_input),
}
BY_INPUT: dict[type[nn.Module], Callable[[Any], Any]] = {
    nn.GELU: _gelu,
    nn.SiLU: _of(aten.silu.out, aten.silu_backward.grad_input),
}
