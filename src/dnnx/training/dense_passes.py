"""The layers of a dense step: forward and backward pass of each by hand, with buffers that stay.

Activations are columns [R, features, B]. `forward` returns the layer's columns; `backward` takes their gradient, which
it may overwrite, adds to the gradients of the layer's parameters, and returns the gradient of its input.
"""

from typing import Any

import torch
from torch import Tensor

from dnnx.nets.layers.dropout import AlphaDropout

Shape = tuple[int, int, int]  # R, features, B


class Pass:
    """One layer. `output_is_free`: whether the layer above may overwrite the output, as no backward pass needs it."""

    output_is_free = True

    def __init__(self, layer: Any):
        self.layer = layer

    def build(self, shape: Shape, is_own: bool, goes_down: bool) -> int:
        """Make the buffers for an input of this shape; return the number of features of the output.

        `is_own`: whether the input may be overwritten. `goes_down`: whether a layer below needs a gradient.
        """
        self.shape, self.is_own, self.goes_down = shape, is_own, goes_down
        return shape[1]

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def backward(self, gradient: Tensor) -> Tensor:
        raise NotImplementedError


class Gradient:
    """The gradient of one parameter, seen as [R, ...] with `axes` axes in all; None where it is not trained."""

    def __init__(self, parameter: Tensor, *shape: int):
        self.parameter = parameter
        self.own = torch.empty_like(parameter)
        self.shape, self.values = shape, self.own.view(shape)

    @classmethod
    def of(cls, parameter: Tensor | None, *shape: int) -> "Gradient | None":
        return None if parameter is None or not parameter.requires_grad else cls(parameter, *shape)

    def product(self, one: Tensor, other: Tensor) -> None:
        """Add the matrix products one @ other, [R, m, k] and [R, k, n]."""
        if self.parameter.grad is None:
            torch.bmm(one, other, out=self.values)
            self.parameter.grad = self.own
        else:
            self.parameter.grad.view(self.shape).baddbmm_(one, other)

    def add(self, values: Tensor) -> None:
        """Add these values, of as many elements as the parameter."""
        values = values.view_as(self.parameter)
        self.parameter.grad = values if self.parameter.grad is None else self.parameter.grad.add_(values)

    def sum(self, values: Tensor, axis: int | tuple[int, ...] = 2) -> None:
        """Add the sums of values over an axis."""
        if self.parameter.grad is None:
            torch.sum(values, axis, out=self.values)
            self.parameter.grad = self.own
        else:
            self.parameter.grad.view(self.shape).add_(values.sum(axis))


class LinearPass(Pass):
    def build(self, shape: Shape, is_own: bool, goes_down: bool) -> int:
        super().build(shape, is_own, goes_down)
        (num, below, size), weight, bias = shape, self.layer.weight, self.layer.bias
        above = weight.shape[-2]
        self.weight = weight.detach().view(num, above, below)
        self.bias = None if bias is None else bias.detach().view(num, above, 1)
        self.of_weight = Gradient.of(weight, num, above, below)
        self.of_bias = Gradient.of(bias, num, above)
        self.out, self.transposed = torch.empty(num, above, size), self.weight.mT
        self.down = torch.empty(shape) if goes_down else self.out
        return above

    def forward(self, x: Tensor) -> Tensor:
        self.rows = x.mT
        if self.bias is None:
            return torch.bmm(self.weight, x, out=self.out)
        return torch.baddbmm(self.bias, self.weight, x, out=self.out)

    def backward(self, gradient: Tensor) -> Tensor:
        if self.of_weight is not None:
            self.of_weight.product(gradient, self.rows)
        if self.of_bias is not None:
            self.of_bias.sum(gradient)
        return torch.bmm(self.transposed, gradient, out=self.down) if self.goes_down else gradient


class NormPass(Pass):
    """x' = (x - mean) / sqrt(var + eps) over the features of an example (layer norm) or over the batch (batch norm)."""

    axis = 1

    def build(self, shape: Shape, is_own: bool, goes_down: bool) -> int:
        super().build(shape, is_own, goes_down)
        (num, features, _), weight, bias = shape, self.layer.weight, self.layer.bias
        self.weight, self.bias = (None if p is None else p.detach().view(num, features, 1) for p in (weight, bias))
        self.of_weight, self.of_bias = Gradient.of(weight, num, features), Gradient.of(bias, num, features)
        self.normed, self.products = torch.empty(shape), torch.empty(shape)
        self.out = self.normed if self.weight is None else torch.empty(shape)
        self.output_is_free = self.weight is not None
        return features

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sub(x, x.mean(self.axis, keepdim=True), out=self.normed)
        return self._scaled(x, torch.mul(x, x, out=self.products).mean(self.axis, keepdim=True))

    def _scaled(self, x: Tensor, var: Tensor) -> Tensor:
        self.slope = var.add_(self.layer.eps).rsqrt_()
        x.mul_(self.slope)
        if self.weight is None:
            return x
        return torch.mul(x, self.weight, out=self.out) if self.bias is None else torch.addcmul(
            self.bias, x, self.weight, out=self.out
        )  # fmt: skip

    def backward(self, gradient: Tensor) -> Tensor:
        if self.of_bias is not None:
            self.of_bias.sum(gradient)
        if self.of_weight is not None:
            self.of_weight.sum(torch.mul(gradient, self.normed, out=self.products))
        if not self.goes_down:
            return gradient
        return self._down(gradient if self.weight is None else gradient.mul_(self.weight))

    def _down(self, gradient: Tensor) -> Tensor:
        along = torch.mul(gradient, self.normed, out=self.products).mean(self.axis, keepdim=True)
        gradient.sub_(gradient.mean(self.axis, keepdim=True))
        return gradient.addcmul_(self.normed, along, value=-1).mul_(self.slope)


class BatchNormPass(NormPass):
    """torch's kernels, for which every feature of every replica is a channel: [1, R * features, B]."""

    def build(self, shape: Shape, is_own: bool, goes_down: bool) -> int:
        features = super().build(shape, is_own, goes_down)
        layer = self.layer
        names = "weight", "bias", "running_mean", "running_var"
        self.flat = [None if (v := getattr(layer, name)) is None else v.detach().view(-1) for name in names]
        self.uses_batch = layer.training or layer.running_mean is None
        self.channels = (1, shape[0] * features, shape[2])
        return features

    def forward(self, x: Tensor) -> Tensor:
        layer, (weight, bias, mean, var) = self.layer, self.flat
        if layer.training and layer.num_batches_tracked is not None:
            layer.num_batches_tracked += 1
        self.x = x.reshape(self.channels)
        out, *self.saved = torch.native_batch_norm(
            self.x, weight, bias, mean, var, self.uses_batch, layer.momentum, layer.eps
        )
        return out.view(self.shape)

    def backward(self, gradient: Tensor) -> Tensor:
        weight, _, mean, var = self.flat
        wanted = [self.goes_down, self.of_weight is not None, self.of_bias is not None]
        given = gradient.view(self.channels), self.x, weight, mean, var, *self.saved, self.uses_batch, self.layer.eps
        down, *own = torch.ops.aten.native_batch_norm_backward(*given, wanted)
        for of, value in zip((self.of_weight, self.of_bias), own, strict=True):
            if of is not None:
                of.add(value)
        return down.view(self.shape) if self.goes_down else gradient


class DropoutPass(Pass):
    """The masks are those of the layer. With alpha dropout a kept input becomes a x + b, a dropped one a constant."""

    def build(self, shape: Shape, is_own: bool, goes_down: bool) -> int:
        super().build(shape, is_own, goes_down)
        self.output_is_free = self.layer.training
        self.factor, self.out = torch.empty(shape), torch.empty(shape)
        return shape[1]

    def forward(self, x: Tensor) -> Tensor:
        if not self.layer.training:
            return x
        num, features, size = self.shape
        kept = self.factor.copy_(self.layer.draw(torch.Size((size, features))).view(num, size, features).mT)
        if not isinstance(self.layer, AlphaDropout):
            return torch.mul(x, kept.mul_(1 / (1 - self.layer.p)), out=self.out)
        a, b = self.layer.line
        low = a * self.layer.SATURATED
        torch.mul(kept, -low, out=self.out).add_(low + b)
        return self.out.addcmul_(x, kept.mul_(a))

    def backward(self, gradient: Tensor) -> Tensor:
        return gradient.mul_(self.factor) if self.layer.training else gradient
