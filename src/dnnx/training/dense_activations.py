"""The activations of a dense step: forward and backward pass of each by hand."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.training.dense_passes import Gradient, Pass, Shape

aten = torch.ops.aten


class ByOutputPass(Pass):
    """An activation whose derivative follows from its output, which takes the place of the input where it may."""

    output_is_free = False

    def build(self, shape: Shape, is_own: bool, goes_down: bool) -> int:
        super().build(shape, is_own, goes_down)
        self.function, self.derive = BY_OUTPUT[type(self.layer)](self.layer)
        self.out = torch.empty(0 if is_own else shape)
        return shape[1]

    def forward(self, x: Tensor) -> Tensor:
        self.y = self.function(x if self.is_own else self.out.copy_(x))
        return self.y

    def backward(self, gradient: Tensor) -> Tensor:
        return self.derive(gradient, self.y, grad_input=gradient)


class ByInputPass(Pass):
    """An activation whose derivative needs its input."""

    def build(self, shape: Shape, is_own: bool, goes_down: bool) -> int:
        super().build(shape, is_own, goes_down)
        self.function, self.derive = BY_INPUT[type(self.layer)](self.layer)
        self.out = torch.empty(shape)
        return shape[1]

    def forward(self, x: Tensor) -> Tensor:
        self.x = x
        return self.function(x, out=self.out)

    def backward(self, gradient: Tensor) -> Tensor:
        return self.derive(gradient, self.x, grad_input=gradient)


class PReLUPass(Pass):
    """One slope w below 0, or one for each unit."""

    def build(self, shape: Shape, is_own: bool, goes_down: bool) -> int:
        super().build(shape, is_own, goes_down)
        weight, num = self.layer.weight, shape[0]
        self.weight = weight.detach().view(num, -1, 1)
        self.of_weight = Gradient.of(weight, *self.weight.shape[:2])
        self.out, self.low = torch.empty(shape), torch.empty(shape)
        return shape[1]

    def forward(self, x: Tensor) -> Tensor:
        self.x, low = x, torch.clamp(x, max=0, out=self.low)
        return torch.clamp(x, min=0, out=self.out).addcmul_(low, self.weight)

    def backward(self, gradient: Tensor) -> Tensor:
        if self.of_weight is not None:
            products = self.low.mul_(gradient)
            values = products if self.weight.shape[1] > 1 else products.flatten(1)[:, None]
            self.of_weight.sum(values)
        return torch.where(self.x > 0, gradient, gradient * self.weight)


def _elu(layer: Any, scale: float = 1.0) -> Any:
    alpha = layer.alpha

    def derive(gradient: Tensor, y: Tensor, grad_input: Tensor) -> Tensor:
        return aten.elu_backward.grad_input(gradient, alpha, scale, 1.0, True, y, grad_input=grad_input)

    return lambda x: aten.elu_(x, alpha, scale), derive


def _selu(layer: Any) -> Any:
    return _elu(SimpleNamespace(alpha=1.6732632423543772), 1.0507009873554805)


def _relu(layer: Any) -> Any:
    return torch.relu_, lambda g, y, grad_input: aten.threshold_backward.grad_input(g, y, 0, grad_input=grad_input)


def _leaky_relu(layer: Any) -> Any:
    slope = layer.negative_slope

    def derive(gradient: Tensor, y: Tensor, grad_input: Tensor) -> Tensor:
        return aten.leaky_relu_backward.grad_input(gradient, y, slope, True, grad_input=grad_input)

    return lambda x: aten.leaky_relu_(x, slope), derive


def _gelu(layer: Any) -> Any:
    kind = {"approximate": layer.approximate}
    return partial(aten.gelu.out, **kind), partial(aten.gelu_backward.grad_input, **kind)


def _of(function: Any, derive: Any) -> Callable[[Any], Any]:
    return lambda layer: (function, derive)


# An activation by its class: its function, and the gradient of its input from the gradient g of its output y, both of
# which write in place or to `out` and `grad_input`.
BY_OUTPUT: dict[type[nn.Module], Callable[[Any], Any]] = {
    nn.ELU: _elu,
    nn.SELU: _selu,
    nn.ReLU: _relu,
    nn.LeakyReLU: _leaky_relu,
    nn.Tanh: _of(torch.tanh_, aten.tanh_backward.grad_input),
    nn.Sigmoid: _of(torch.sigmoid_, aten.sigmoid_backward.grad_input),
}
BY_INPUT: dict[type[nn.Module], Callable[[Any], Any]] = {
    nn.GELU: _gelu,
    nn.SiLU: _of(aten.silu.out, aten.silu_backward.grad_input),
}
