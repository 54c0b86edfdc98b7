"""Passes with dropout on: the layers that differ from pass to pass, and the check that a network has any."""

from typing import Any

from dnnx.basics.errors import require
from dnnx.nets.layers.dropout import Dropout

MAX_PASSES = 10_000


def dropout_layers(module: Any) -> list[Dropout]:
    return [layer for layer in module.modules() if isinstance(layer, Dropout)]


def require_dropout(module: Any, passes: Any) -> None:
    """Raise UserError if passes of this network cannot differ."""
    require(
        type(passes) is int and 1 <= passes <= MAX_PASSES, "mc_dropout", passes,
        f"a number of passes up to {MAX_PASSES:,}, for example mc_dropout=100; 0 for none",
    )  # fmt: skip
    by_threshold = "threshold" in module.task.metrics  # then its test accuracy is not that of the most probable class
    require(
        module.task.has_classes and not by_threshold, "mc_dropout", passes,
        f"only for classes, not for task={type(module.task).__name__}; type mc_dropout=0",
    )  # fmt: skip
    require(
        bool(dropout_layers(module)), "mc_dropout", passes,
        "the network has no dropout, so all passes would be the same; train with net.dropout=0.1, or type mc_dropout=0",
    )  # fmt: skip
