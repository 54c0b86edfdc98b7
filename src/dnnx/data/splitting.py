"""Parts examples that come unsplit into train, val and test."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dnnx.basics.errors import UserError, is_number, require
from dnnx.basics.seeding import generator

PARTS = ("train", "val", "test")


def split_rows(y: Tensor, shares: Sequence[float], order_seed: int, names: Sequence[str] = ()) -> dict[str, Tensor]:
    """Return the rows of train, val and test by their shares, such as (0.7, 0.15, 0.15), in a drawn order.

    Integer labels [N] are parted class by class, so that each split holds about the same share of each class; UserError
    for a class of fewer than three examples. Anything else is parted as a whole.
    """
    valid = len(shares) == 3 and all(is_number(share) and 0 < share < 1 for share in shares)
    told = "three shares above 0 whose sum is 1, for example data.split=[0.7,0.15,0.15]"
    require(valid and math.isclose(sum(shares), 1, abs_tol=1e-6), "data.split", list(shares), told)
    require(type(order_seed) is int and order_seed >= 0, "data.order_seed", order_seed, "a whole number of at least 0")
    order = torch.randperm(len(y), generator=generator(order_seed, "split"))
    if y.dim() > 1 or y.is_floating_point():
        return dict(zip(PARTS, _cut(order, shares, "the data"), strict=True))
    labels = y[order]
    told_of = {label: f"class {names[i] if names else label}" for i, label in enumerate(labels.unique().tolist())}
    of_class = [_cut(order[labels == label], shares, name) for label, name in told_of.items()]
    return {part: torch.cat(rows) for part, rows in zip(PARTS, zip(*of_class, strict=True), strict=True)}


def split_examples(
    x: Tensor, y: Tensor, shares: Sequence[float], order_seed: int, kind: str
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return train, val and test of the examples x [N, ...] with targets y [N, ...]."""
    require(len(x) == len(y), "data", f"{len(x)} examples and {len(y)} targets", "as many targets as examples needed")
    rows = split_rows(y.float() if kind == "numbers" else y, shares, order_seed)
    return {part: (x[own], y[own]) for part, own in rows.items()}


def _cut(rows: Tensor, shares: Sequence[float], name: str) -> list[Tensor]:
    """The rows of each part, at least one each."""
    n = len(rows)
    if n < len(PARTS):
        raise UserError(f"data: {name} has {n} example{'s' * (n != 1)}; train, val and test need one each at least")
    val, test = (max(1, round(n * share)) for share in shares[1:])
    train = max(1, n - val - test)
    return list(rows.split([train, min(val, n - train - 1), n - train - min(val, n - train - 1)]))
