"""The layers of a dense step: each plans the calls of its forward and backward pass by hand, on buffers that stay.

Activations are columns [R, features, B]. A plan is made once for all batches of a shape: a step then loses no time to
views, allocations and the code of the passes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dnnx.nets.layers.dropout import AlphaDropout


class Calls(list[Callable[[], Any]]):
    """Calls that a step makes one after the other."""

    def add(self, function: Callable[..., Any], *given: Any, **named: Any) -> None:
        self.append(partial(function, *given, **named))


class Pass:
    """One layer, with the buffers of its input: columns x and their transposed view `rows`.

    `is_own`: whether x may be overwritten. `goes_down`: whether a layer below needs a gradient. `output_is_free`:
    whether the layer above may overwrite the output, as no backward pass needs it.
    """

    output_is_free = True

    def __init__(self, layer: Any, x: Tensor, rows: Tensor, is_own: bool, goes_down: bool):
        self.layer, self.x, self.rows, self.is_own, self.goes_down = layer, x, rows, is_own, goes_down
        self.gradients: list[tuple[Tensor, Tensor]] = []  # parameters, buffers that get theirs

    def forward(self, calls: Calls) -> Tensor:
        """Add the calls of the forward pass; return the buffer of the output."""
        raise NotImplementedError

    def backward(self, gradient: Tensor, calls: Calls) -> Tensor:
        """Add the calls that write the gradients of the layer's parameters and of its input, from the buffer of its
        output's gradient, which they may overwrite; return the buffer of its input's gradient.
        """
        raise NotImplementedError

    def own(self, parameter: Tensor | None, *shape: int) -> Tensor | None:
        """Return a buffer for the gradient of a parameter, seen in this shape; None where it is not trained."""
        if parameter is None or not parameter.requires_grad:
            return None
        self.gradients.append((parameter, torch.empty_like(parameter)))
        return self.gradients[-1][1].view(shape)


class LinearPass(Pass):
    def forward(self, calls: Calls) -> Tensor:
        (num, below, size), weight, bias = self.x.shape, self.layer.weight, self.layer.bias
        self.weight = weight.detach().view(num, -1, below)
        out = self.x.new_empty(num, self.weight.shape[1], size)
        if bias is None:
            calls.add(torch.bmm, self.weight, self.x, out=out)
        else:
            calls.add(torch.baddbmm, bias.detach().view(num, -1, 1), self.weight, self.x, out=out)
        return out

    def backward(self, gradient: Tensor, calls: Calls) -> Tensor:
        self.parameter = self.layer.weight
        if self.parameter.requires_grad:
            self.own_product = torch.empty_like(self.parameter)
            calls.add(self._multiply, gradient, self.own_product.view(self.weight.shape))
        if (of_bias := self.own(self.layer.bias, *self.weight.shape[:2])) is not None:
            calls.add(torch.sum, gradient, 2, out=of_bias)
        if not self.goes_down:
            return gradient
        down = self.x.new_empty(self.x.shape)
        calls.add(torch.bmm, self.weight.mT, gradient, out=down)
        return down

    def _multiply(self, gradient: Tensor, product: Tensor) -> None:
        """Add to the gradient of the weights; one that a penalty has left is not passed over twice."""
        if self.parameter.grad is None:
            torch.bmm(gradient, self.rows, out=product)
            self.parameter.grad = self.own_product
        else:
            self.parameter.grad.view(self.weight.shape).baddbmm_(gradient, self.rows)


class NormPass(Pass):
    """Layer norm: x' = (x - mean) / sqrt(var + eps) over the features of an example."""

    def forward(self, calls: Calls) -> Tensor:
        x, (num, features, size) = self.x, self.x.shape
        self.normed, self.products = x.new_empty(x.shape), x.new_empty(x.shape)
        self.mean, self.slope = x.new_empty(num, 1, size), x.new_empty(num, 1, size)
        calls.add(torch.mean, x, 1, keepdim=True, out=self.mean)
        calls.add(torch.sub, x, self.mean, out=self.normed)
        calls.add(torch.mul, self.normed, self.normed, out=self.products)
        calls.add(torch.mean, self.products, 1, keepdim=True, out=self.slope)
        calls.add(self.slope.add_, self.layer.eps)
        calls.add(self.slope.rsqrt_)
        calls.add(self.normed.mul_, self.slope)
        weight, bias = self.layer.weight, self.layer.bias
        self.output_is_free = weight is not None
        if weight is None:
            return self.normed
        self.weight, out = weight.detach().view(num, features, 1), x.new_empty(x.shape)
        calls.add(torch.mul, self.normed, self.weight, out=out)
        if bias is not None:
            calls.add(out.add_, bias.detach().view(num, features, 1))
        return out

    def backward(self, gradient: Tensor, calls: Calls) -> Tensor:
        num, features, _ = self.x.shape
        if (of_bias := self.own(self.layer.bias, num, features)) is not None:
            calls.add(torch.sum, gradient, 2, out=of_bias)
        if (of_weight := self.own(self.layer.weight, num, features)) is not None:
            calls.add(torch.mul, gradient, self.normed, out=self.products)
            calls.add(torch.sum, self.products, 2, out=of_weight)
        if self.goes_down:
            if self.layer.weight is not None:
                calls.add(gradient.mul_, self.weight)
            calls.add(torch.mean, gradient, 1, keepdim=True, out=self.mean)
            calls.add(torch.mul, gradient, self.normed, out=self.products)
            calls.add(gradient.sub_, self.mean)
            calls.add(torch.mean, self.products, 1, keepdim=True, out=self.mean)
            calls.add(gradient.addcmul_, self.normed, self.mean, value=-1)
            calls.add(gradient.mul_, self.slope)
        return gradient


class BatchNormPass(Pass):
    """torch's kernels, for which every feature of every replica is a channel: [1, R * features, B]."""

    def forward(self, calls: Calls) -> Tensor:
        layer, (num, features, size) = self.layer, self.x.shape
        names = "weight", "bias", "running_mean", "running_var"
        self.flat = [None if (v := getattr(layer, name)) is None else v.detach().view(-1) for name in names]
        self.uses_batch = layer.training or layer.running_mean is None
        self.channels = (1, num * features, size)
        self.out = self.x.new_empty(self.channels)
        self.saved = [self.x.new_empty(num * features if self.uses_batch else 0) for _ in range(2)]
        if layer.training and layer.num_batches_tracked is not None:
            calls.add(layer.num_batches_tracked.add_, 1)
        calls.add(self._normed)
        return self.out.view(self.x.shape)

    def _normed(self) -> None:
        given = *self.flat, self.uses_batch, self.layer.momentum, self.layer.eps
        torch.native_batch_norm(self.x.reshape(self.channels), *given, out=(self.out, *self.saved))

    def backward(self, gradient: Tensor, calls: Calls) -> Tensor:
        self.own_two = [self.own(p, self.channels[1]) for p in (self.layer.weight, self.layer.bias)]
        self.wanted = [self.goes_down, *(own is not None for own in self.own_two)]
        calls.add(self._derived, gradient.view(self.channels))
        return gradient

    def _derived(self, gradient: Tensor) -> None:
        weight, _, mean, var = self.flat
        given = self.x.reshape(self.channels), weight, mean, var, *self.saved, self.uses_batch, self.layer.eps
        found = torch.ops.aten.native_batch_norm_backward(gradient, *given, self.wanted)
        for own, value in zip((gradient, *self.own_two), found, strict=True):
            if own is not None and value is not None:
                own.copy_(value)


class DropoutPass(Pass):
    """The masks are those of the layer. With alpha dropout a kept input becomes a x + b, a dropped one a constant."""

    def forward(self, calls: Calls) -> Tensor:
        self.output_is_free = self.layer.training
        if not self.layer.training:
            return self.x
        self.factor, self.out = self.x.new_empty(self.x.shape), self.x.new_empty(self.x.shape)
        calls.add(self._drop)
        return self.out

    def _drop(self) -> None:
        num, features, size = self.x.shape
        kept = self.factor.copy_(self.layer.draw(torch.Size((size, features))).view(num, size, features).mT)
        if not isinstance(self.layer, AlphaDropout):
            torch.mul(self.x, kept.mul_(self.layer.scale(kept)), out=self.out)
        else:
            a, b = self.layer.line(kept)
            low = a * self.layer.SATURATED
            torch.mul(kept, -low, out=self.out).add_(low + b)
            self.out.addcmul_(self.x, kept.mul_(a))

    def backward(self, gradient: Tensor, calls: Calls) -> Tensor:
        if self.layer.training:
            calls.add(gradient.mul_, self.factor)
        return gradient
