"""Doubts: a network of the user's that trains but is probably not meant so, such as one with a softmax too many."""

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.counts import many
from dnnx.config.own_lines import is_theirs
from dnnx.config.resume import short

MAX_NAMED = 4  # parameters in one message
TOLERANCE = 1e-4  # of a sum of probabilities
# Functions that only move or select numbers, by their names in torch's graph.
MOVES = (
    "View", "Reshape", "UnsafeView", "Squeeze", "Unsqueeze", "Select", "Slice", "T", "Transpose", "Permute", "Clone",
)  # fmt: skip


def doubt_of(module: Any, x: Tensor) -> str:
    """Return a warning if a network ends in a softmax or sigmoid and the loss of its task applies one itself; else "".

    x [B, ...] is a batch of one network. Nets of dnnx, and tasks with a loss of the user's, raise no doubt.
    """
    task, net = module.task, type(module.replicas.net)
    own_loss = not type(task).loss.__module__.startswith("dnnx.")
    if not task.takes_logits or own_loss or net.__module__.startswith("dnnx."):
        return ""
    alone = module.replicas.network(0).to(x.device).eval()
    with torch.enable_grad():
        found = ending(alone(x))
    return _told(alone, found) if found else ""


def unreached(module: Any, x: Tensor) -> str:
    """Return a warning that names the parameters which get no gradient although they ask for one; "" for none.

    x [B, ...] is a batch of one network. Nets of dnnx raise no doubt.
    """
    net = type(module.replicas.net)
    if net.__module__.startswith("dnnx.") or len(x) < 2:  # batch norm trains with two examples or more
        return ""
    alone = module.replicas.network(0).to(x.device).train()
    trained = {name: weight for name, weight in alone.named_parameters() if weight.requires_grad}
    with torch.random.fork_rng(), torch.enable_grad():
        outputs = alone(x.clone())
        if not trained or not outputs.requires_grad:
            return ""
        found = torch.autograd.grad(outputs.sum(), list(trained.values()), allow_unused=True)
    lost = [name for name, gradient in zip(trained, found, strict=True) if gradient is None]
    if not lost:
        return ""
    named = ", ".join(lost[:MAX_NAMED]) + (f" and {len(lost) - MAX_NAMED} more" if len(lost) > MAX_NAMED else "")
    of = f"({len(lost)} of {many(len(trained), 'parameter')})"
    return (
        f"net={net.__name__}: no gradient reaches {named} {of}, so they are not trained. Use them in forward, without "
        "torch.no_grad() and .detach(); if they are meant to stay as they are, set requires_grad=False"
    )


def ending(outputs: Tensor) -> str:
    """Return "softmax" if outputs [B, ...] are probabilities that sum to 1, "sigmoid" if that made them, else "".

    >>> ending(torch.tensor([[0.2, 0.8], [0.5, 0.5]])), ending(torch.tensor([[0.2, 1.8]]))
    ('softmax', '')
    """
    if not bool(((outputs >= 0) & (outputs <= 1)).all()):
        return ""
    axes = [axis for axis in (1, -1) if outputs.dim() > 1 and outputs.shape[axis] > 1]
    if any(bool(((outputs.sum(axis) - 1).abs() < TOLERANCE).all()) for axis in axes):
        return "softmax"
    return "sigmoid" if last_function(outputs) == "Sigmoid" else ""


def last_function(outputs: Tensor) -> str:
    """Return the name of the function that computed a tensor, such as Sigmoid or Addmm; "" without a graph."""
    node: Any = outputs.grad_fn
    while node is not None and _name(node) in MOVES:
        node = node.next_functions[0][0]
    return "" if node is None else _name(node)


def _name(node: Any) -> str:
    return str(node.name()).partition("Backward")[0]


def _told(net: nn.Module, found: str) -> str:
    code = inspect.unwrap(type(net).forward).__code__
    where = f" ({short(Path(code.co_filename))}, line {code.co_firstlineno})" if is_theirs(code.co_filename) else ""
    rows = "every row lies in [0, 1] and sums to 1" if found == "softmax" else "all of them lie in [0, 1]"
    return (
        f"net={type(net).__name__}: its outputs are probabilities, as {rows}. The loss takes logits and applies the "
        f"{found} itself; two in a row slow training down and spoil the probabilities. Delete the {found} at the end "
        f"of forward{where}"
    )
