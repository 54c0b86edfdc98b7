"""Frozen: train a net that brings its own weights, such as pretrained ones, with some of its layers frozen."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from dnnx.basics.at_work import must
from dnnx.basics.console import console
from dnnx.basics.errors import require
from dnnx.basics.patterns import matching
from dnnx.techniques.base import Technique
from dnnx.techniques.frozen_table import frozen_table

KEY = "techniques.frozen.patterns"


class Frozen(Technique):
    """Keep the parameters whose names match a pattern as they are.

    A frozen layer stays in evaluation mode: its batch statistics never move and its dropout is off. A table of frozen
    and trained layers is shown before the first step.

    Example: `patterns=["*.norm.*"]` freezes every batch norm of a net whose blocks call it `norm`.
    """

    order = -10

    def __init__(self, patterns: Sequence[str]):
        told = "a list of patterns of parameter names, for example 'techniques.frozen.patterns=[units.*]'"
        require(not isinstance(patterns, str) and len(patterns) > 0, KEY, patterns, told)
        self.patterns = patterns

    def attach(self, module: Any) -> None:
        super().attach(module)
        self.layers = freeze(module.replicas.net, self.patterns, KEY)

    def set_mode(self) -> None:
        for layer in self.layers:
            layer.eval()

    def before_training(self, data: Any) -> None:
        show(self.module)

    def keep(self, places: Sequence[int]) -> None:
        """Nothing is held of a replica."""

    def check_after(self, run: Any) -> None:
        check_still(run, self.layers, self.patterns)


def freeze(net: nn.Module, patterns: Iterable[str], key: str) -> list[nn.Module]:
    """Freeze every parameter whose name matches a pattern; return the modules that are frozen as a whole.

    Layers below a frozen lowest block, such as DenseNet's input norm, are frozen too: `net.input_layers`. Raise
    UserError, which names `key`, for a pattern without match, or if nothing is left to train.
    """
    parameters = dict(net.named_parameters())
    for name in matching(parameters, patterns, key):
        parameters[name].requires_grad_(False)
    left = any(p.requires_grad for p in parameters.values())
    require(left, key, list(patterns), "nothing is left to train")
    frozen = [module for module in net.modules() if is_frozen(module)]
    if isinstance(blocks := getattr(net, "hidden_layers", None), nn.ModuleList) and is_frozen(blocks[0]):
        frozen += list(getattr(net, "input_layers", ()))
    return frozen


def is_frozen(module: nn.Module) -> bool:
    """Return whether a module has parameters, and none of them is trained."""
    parameters = list(module.parameters())
    return bool(parameters) and not any(p.requires_grad for p in parameters)


def show(module: Any) -> None:
    """Print the table of frozen and trained layers."""
    console.print(frozen_table(module.replicas.net, module.replicas.num_replicas))


def check_still(run: Any, layers: Iterable[nn.Module], patterns: Iterable[str]) -> None:
    """Raise NotAtWork if a frozen parameter, or a buffer of a frozen layer, moved."""
    inside = {m for layer in layers for m in layer.modules()}
    names = [n for n, _ in run.net.named_parameters() if any(fnmatchcase(n, p) for p in patterns)]
    for path, layer in run.net.named_modules():
        if layer in inside:
            names += [f"{path}.{name}" for name, _ in layer.named_buffers("", False)]
    for name in names:
        must(not run.moved(name).any(), f"{name} is frozen and has moved")
