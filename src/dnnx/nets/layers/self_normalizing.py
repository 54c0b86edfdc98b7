"""Self-normalization (Klambauer et al. 2017): checks for mean 0 and variance 1 in every layer."""

from collections.abc import Iterable

import torch
from torch import Tensor

from dnnx.basics.errors import require

ANYWAY = "or net.self_normalizing=false to train it all the same"
TOLERANCE = 0.1  # for a feature's mean and standard deviation, as they may come from other training images


def check_net(activation: str, init: str, norm: str | None, dropout_kind: str) -> None:
    """Raise UserError unless dense layers with these settings keep mean 0 and variance 1."""
    for name, value, needed, why in (
        ("activation", activation, "selu", "only SELU has the fixed point"),
        ("init", init, "lecun_normal", "the fixed point is that of weights of variance 1 / fan-in"),
        ("norm", norm, None, "the layers normalize themselves"),
        ("dropout_kind", dropout_kind, "alpha", "plain dropout moves mean and variance"),
    ):
        require(
            value == needed, f"net.{name}", "null" if value is None else value,
            f"not self-normalizing, {why}; type net.{name}={'null' if needed is None else needed}, {ANYWAY}",
        )  # fmt: skip


def check_input(batches: Iterable[tuple[Tensor, Tensor]], in_dims: int = 1) -> None:
    """Raise UserError unless every feature has mean 0 and standard deviation 1, or is 0.

    Features are the last `in_dims` dimensions of the inputs.
    """
    total = squares = torch.zeros((), dtype=torch.float64)
    n = 0
    for x, _ in batches:
        flat = x.flatten(-in_dims).flatten(0, -2).double()
        total, squares, n = total + flat.sum(0).cpu(), squares + flat.square().sum(0).cpu(), n + len(flat)
    mean = total / n
    std = (squares / n - mean.square()).clamp(min=0).sqrt()
    off = (mean.abs() > TOLERANCE) | ((std - 1).abs() > TOLERANCE) & ((std > 1e-6) | (mean.abs() > 1e-6))
    require(
        not off.any(), "data", f"means {mean.min():.2f} to {mean.max():.2f}, deviations {std.min():.2f} to "
        f"{std.max():.2f} over the features", "not self-normalizing, which needs inputs of mean 0 and standard "
        f"deviation 1 per feature; type data.standardize=true, {ANYWAY}",
    )  # fmt: skip
