"""Divide examples without a given split into train, val and test."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dnnx.basics.errors import UserError, is_number, require
from dnnx.basics.seeding import generator

PARTS = ("train", "val", "test")
Splits = dict[str, tuple[Tensor, Tensor]]


def complete(splits: Splits, shares: Sequence[float], order_seed: int, names: Sequence[str] = ()) -> Splits:
    """Return train, val and test from the splits `all`, or train and test, or all three.

    Missing validation examples are drawn from the training examples. Official test examples are never used otherwise.
    `names` are the class names in messages.
    """
    check_shares(shares, order_seed)
    for x, y in splits.values():
        told = "as many targets as examples needed, and at least one"
        require(len(x) == len(y) > 0, "data", f"{len(x)} examples and {len(y)} targets", told)
    if set(splits) == set(PARTS):
        return splits
    parts = PARTS if "all" in splits else PARTS[:2]
    x, y = splits["all"] if "all" in splits else splits["train"]
    rows = split_rows(y, shares[: len(parts)], order_seed, names)
    drawn = {part: (x[own], y[own]) for part, own in zip(parts, rows, strict=True)}
    return drawn if "all" in splits else drawn | {"test": splits["test"]}


def split_rows(y: Tensor, shares: Sequence[float], order_seed: int, names: Sequence[str] = ()) -> list[Tensor]:
    """Return the rows of each part by their shares, such as 0.7, 0.15, 0.15, in a random order.

    Integer labels [N] are divided class by class, so that each part has about the same share of each class. Other
    targets are divided as a whole. Raise UserError for a class with fewer examples than parts, and for no example.
    """
    require(len(y) > 0, "data", "0 examples", "at least one for each part is needed")
    order = torch.randperm(len(y), generator=generator(order_seed, "split"))
    if y.dim() > 1 or y.is_floating_point():
        return _cut(order, shares, "the data")
    labels = y[order]
    found = labels.unique().tolist()
    of_class = [_cut(order[labels == i], shares, f"class {names[i] if names else i}") for i in found]
    return [torch.cat(rows) for rows in zip(*of_class, strict=True)]


def check_shares(shares: Sequence[float], order_seed: int) -> None:
    valid = len(shares) == 3 and all(is_number(share) and 0 < share < 1 for share in shares)
    told = "three shares above 0 whose sum is 1, for example data.split=[0.7,0.15,0.15]"
    require(valid and math.isclose(sum(shares), 1, abs_tol=1e-6), "data.split", list(shares), told)
    require(type(order_seed) is int and order_seed >= 0, "data.order_seed", order_seed, "a whole number of at least 0")


def told_of(splits: Sequence[str], shares: Sequence[float], order_seed: int) -> str:
    """Return a note that says how the examples were divided."""
    if set(splits) == set(PARTS):
        return ""
    what = (
        f"split {'/'.join(f'{share:g}' for share in shares)}" if "all" in splits else "validation drawn from training"
    )
    return f", {what} by data.order_seed={order_seed}"


def _cut(rows: Tensor, shares: Sequence[float], name: str) -> list[Tensor]:
    """Return the rows of each part, at least one each. The first part also gets the remainder."""
    n, parts = len(rows), len(shares)
    if n < parts:
        needed = " and ".join([", ".join(PARTS[: parts - 1]), PARTS[parts - 1]])
        raise UserError(f"data: {name} has {n} example{'s' * (n != 1)}; {needed} need one each at least")
    sizes = [max(1, round(n * share / sum(shares))) for share in shares[1:]]
    while n - sum(sizes) < 1:
        sizes[sizes.index(max(sizes))] -= 1
    return list(rows.split([n - sum(sizes), *sizes]))
