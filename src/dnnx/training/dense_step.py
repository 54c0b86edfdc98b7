"""A training step of a stack of dense layers without autograd: each layer has its forward and backward pass by hand.

Autograd builds a graph, allocates each result and copies gradients in every step, half the time of a small network.
Here a step is a list of calls on buffers that stay. Activations are columns [R, features, B], as in
dnnx.training.batched_layers.

The plain path is the reference: tests/training/test_dense_step.py compares both. `fast=false` chooses it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.nets.layers.dropout import AlphaDropout, Dropout
from dnnx.training import batched_layers as batched
from dnnx.training.dense_activations import BY_INPUT, BY_OUTPUT, ByInputPass, ByOutputPass, PReLUPass
from dnnx.training.dense_passes import BatchNormPass, Calls, DropoutPass, LinearPass, NormPass, Pass

HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_post_accumulate_grad_hooks",
)  # fmt: skip
PASSES: dict[type[nn.Module], type[Pass]] = {
    nn.Linear: LinearPass,
    nn.LayerNorm: NormPass,
    nn.BatchNorm1d: BatchNormPass,
    nn.PReLU: PReLUPass,
    batched.BatchedLinear: LinearPass,
    batched.BatchedLayerNorm: NormPass,
    batched.BatchedBatchNorm1d: BatchNormPass,
    batched.BatchedPReLU: PReLUPass,
    Dropout: DropoutPass,
    AlphaDropout: DropoutPass,
    **dict.fromkeys(BY_OUTPUT, ByOutputPass),
    **dict.fromkeys(BY_INPUT, ByInputPass),
}


class DenseStep:
    """Forward and backward pass of a net whose layers stand in a row and are all known.

    `why_not` is the reason why a net, or a batch, takes the plain path; None where it does not.
    """

    def __init__(self, net: nn.Module, fast: bool = True):
        self.net, self.fast = net, fast
        self.layers: list[nn.Module] = []
        self.built: Any = None  # the state for which the calls of a step are planned
        self.look()

    def look(self) -> None:
        """Learn the layers of the net as they now are, and whether it can take the passes by hand."""
        layers = in_a_row(self.net) or []
        self.flattens = bool(layers) and is_flatten(layers[0])
        layers = layers[1:] if self.flattens else layers
        if layers != self.layers:
            self.layers, self.built = layers, None
            self.tensors = [value for layer in layers for value in (*layer.parameters(), *layer.buffers())]
        self.why_not = self._why_not() if self.fast else "fast=false"

    def _why_not(self) -> str | None:
        if not self.layers:
            return f"the layers of {type(self.net).__name__} are not known to stand in a row"
        unknown = [type(layer).__name__ for layer in self.layers if not has_pass(layer)]
        if unknown:
            return f"{unknown[0]} has no pass by hand"
        watched = any(getattr(one, name, None) for one in (*self.net.modules(), *self.tensors) for name in HOOKS)
        return "hooks watch it" if watched else None

    def forward(self, x: Tensor) -> Tensor | None:
        """Return the outputs [R, B, out] of x [R, B, ...], or None if this batch takes the plain path."""
        if self.why_not or not self._fits(x):
            return None
        tensors, modes = self.tensors, [layer.training for layer in self.layers]
        state = (x.shape, modes, [p.data_ptr() for p in tensors], [p.requires_grad for p in tensors])
        if state != self.built:
            self._plan(x)
            self.built = state
        self._enter(x)
        for call in self.forwards:
            call()
        return self.outputs.clone(memory_format=torch.contiguous_format)

    def clear(self) -> None:
        """Drop the gradients of the last step."""
        for value in self.tensors:
            value.grad = None

    def backward(self, gradient: Tensor, factor: float = 1.0) -> None:
        """Add to the gradients of the parameters, from `factor` times the gradient of the outputs [R, B, out]."""
        torch.mul(gradient.mT, factor, out=self.top)
        for call in self.backwards:
            call()
        for p, own in self.gradients:
            p.grad = own if p.grad is None else p.grad.add_(own)

    def _fits(self, x: Tensor) -> bool:
        """Return whether a batch can take these passes."""
        plain = x.device.type == "cpu" and x.dtype == torch.get_default_dtype() and not torch.is_autocast_enabled("cpu")
        return plain and (self.flattens or x.dim() == 3)

    def _plan(self, x: Tensor) -> None:
        """Record the calls of a step on batches of this shape, with the parameters as they now are."""
        self.rows: Any = x.new_empty(0)
        self.columns: Any = x.new_empty(0)
        self._enter(x)
        lowest = [any(p.requires_grad for p in layer.parameters()) for layer in self.layers].index(True)
        passes: list[Pass] = []
        self.forwards, self.backwards = Calls(), Calls()
        out, rows, is_own = self.columns, self.rows, False
        for i, layer in enumerate(self.layers):
            passes.append(PASSES[type(layer)](layer, out, rows, is_own, i > lowest))
            out = passes[-1].forward(self.forwards)
            rows, is_own = out.mT, passes[-1].output_is_free
        self.outputs = rows
        self.top = gradient = out.new_empty(out.shape)
        for one in reversed(passes[lowest:]):  # nothing below the lowest trained layer needs a gradient
            gradient = one.backward(gradient, self.backwards)
        self.gradients = [of for one in passes for of in one.gradients]

    def _enter(self, x: Tensor) -> None:
        """Let the input of the first layer be this batch, without a copy."""
        rows = x.flatten(2)
        self.rows.set_(rows)
        self.columns.set_(rows.mT)


def in_a_row(net: nn.Module) -> list[nn.Module] | None:
    """Return the layers of a net in the order in which its forward passes a batch through them, or None.

    Known are nn.Sequential, and nets whose own class has a method `in_order`; layers that do nothing are left out.
    """
    if isinstance(net, nn.Sequential) and type(net).forward is nn.Sequential.forward:
        parts: Sequence[nn.Module] = list(net)
    elif "in_order" in vars(type(net)):
        parts = net.in_order()  # type: ignore[operator]
    else:
        return None
    layers: list[nn.Module] = []
    for part in parts:
        inside = in_a_row(part) if any(True for _ in part.children()) else [part]
        if inside is None:
            return None
        layers += [layer for layer in inside if type(layer) is not nn.Identity]
    return layers


def is_flatten(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) == (1, -1)


def has_pass(layer: Any) -> bool:
    """Return whether a layer with these settings has a pass by hand."""
    kind = type(layer)
    slope = getattr(layer, "alpha", getattr(layer, "negative_slope", 0.0))  # of ELU, of leaky ReLU
    return (
        kind in PASSES
        and slope >= 0
        and not (PASSES[kind] is BatchNormPass and layer.momentum is None)
        and not (PASSES[kind] is NormPass and len(layer.normalized_shape) > 1)
        and not (PASSES[kind] is DropoutPass and layer.p == 1)
    )
