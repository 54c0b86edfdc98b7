"""Costs of a network layer by layer: parameters, multiply-adds, activations and receptive field, without any data.

A pass with tensors that have shapes and no numbers counts them, so that the largest network takes a second.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

BYTES = 4  # of a number in float32
WHOLE = math.inf  # receptive field of a layer that sees the whole example


@dataclass(frozen=True)
class LayerCost:
    """One layer: `activations` are the numbers of its output for one example, `field` its receptive field in pixels.

    `field` is 0 for a layer of an example that is no image, and infinite for one that sees all of an image. A parameter
    that a module with other layers holds itself is an entry of its own, of kind "Parameter", without output.
    """

    name: str
    kind: str
    out_shape: tuple[int, ...] | None
    params: int
    multiply_adds: int
    field: float

    @property
    def activations(self) -> int:
        return 0 if self.out_shape is None else math.prod(self.out_shape)


def layer_costs(net: nn.Module, example: Tensor) -> list[LayerCost]:
    """Return the costs of every layer without children, in the order of the forward pass, for one example [...].

    A layer that is called several times is listed each time; its parameters count the first time. The parameters that
    no such call counts come last, one by one.
    """
    state = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    meta = {name: value.to("meta") for name, value in state.items()}
    names = {layer: name or "net" for name, layer in net.named_modules() if not any(layer.children())}
    left = {id(p): (name, p.numel()) for name, p in net.named_parameters()}  # parameters that are not counted yet
    own = {layer: [id(p) for p in layer.parameters()] for layer in names}  # the pass below takes others instead
    fields, found = Fields(), list[LayerCost]()
    flops = FlopCounterMode(display=False)
    total = 0

    def note(layer: nn.Module, args: Any, out: Any) -> None:
        nonlocal total
        out = out[0] if isinstance(out, tuple | list) else out
        done, total = flops.get_total_flops() - total, flops.get_total_flops()
        params = sum(left.pop(one)[1] for one in own[layer] if one in left)
        kind, shape = type(layer).__name__, tuple(out.shape[1:])
        found.append(LayerCost(names[layer], kind, shape, params, done // 2, fields.of(out)))

    hooks = [layer.register_forward_hook(note) for layer in names]
    training = net.training
    net.eval()
    try:
        x = torch.empty(1, *example.shape, dtype=example.dtype, device="meta")
        with torch.no_grad(), flops, fields:
            fields.start(x)
            functional_call(net, meta, (x,))
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    return [*found, *(LayerCost(name, "Parameter", None, size, 0, 0) for name, size in left.values())]


class Fields(TorchDispatchMode):
    """Follow the receptive field of every tensor through all operators of a forward pass.

    A kernel of size k with stride s adds (k - 1) steps to the field, and a step grows by the factor s (Araujo et al.
    2019). A tensor of several others has the largest field among theirs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[int, tuple[float, float]] = {}  # id of a tensor: its field and step, in pixels
        self.alive: list[Any] = []  # so that no id is used twice

    def start(self, x: Tensor) -> None:
        if x.dim() == 4:
            self._keep(x, (1.0, 1.0))

    def of(self, x: Tensor) -> float:
        """Return the receptive field of a tensor, 0 if it does not come from an image."""
        return self.known.get(id(x), (0.0, 0.0))[0]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        inputs = [value for arg in args for value in (arg if isinstance(arg, list | tuple) else [arg])]
        known = [self.known[id(value)] for value in inputs if isinstance(value, Tensor) and id(value) in self.known]
        if known:
            field, step = max(known)
            kernel, stride = _kernel(func.overloadpacket.__name__, args)
            grown = (field + (kernel - 1) * step if kernel < WHOLE else WHOLE, step * stride)
            for made in out if isinstance(out, list | tuple) else [out]:
                if isinstance(made, Tensor):
                    self._keep(made, grown)
        return out

    def _keep(self, x: Tensor, value: tuple[float, float]) -> None:
        self.known[id(x)] = value
        self.alive.append(x)


def _kernel(operator: str, args: Sequence[Any]) -> tuple[float, float]:
    """Return the width and the stride of an operator's kernel; others have 1 and 1."""
    if operator == "convolution":
        (_, weight, _, stride, _, dilation, transposed, *_) = args
        size, own = (weight.shape[-1] - 1) * dilation[-1] + 1, stride[-1]
        return (-(-size // own), 1 / own) if transposed else (size, own)
    if operator in ("max_pool2d_with_indices", "avg_pool2d", "max_pool2d"):
        size = args[1][-1]
        return size, (args[2][-1] if len(args) > 2 and args[2] else size)
    if operator in ("mm", "addmm", "bmm", "mean", "_adaptive_avg_pool2d", "adaptive_max_pool2d"):
        return WHOLE, 1
    return 1, 1


def memory_mb(layers: Sequence[LayerCost], batch_size: int) -> dict[str, float]:
    """Return the megabytes of a training step in float32 by purpose, for one network and Adam.

    Activations are the outputs of all layers, an estimate: autograd keeps most of them, and some layers keep more.
    """
    params = sum(layer.params for layer in layers) * BYTES / 1e6
    activations = sum(layer.activations for layer in layers) * BYTES / 1e6
    return {"weights": params, "gradients": params, "Adam": 2 * params, "activations": activations * batch_size}
