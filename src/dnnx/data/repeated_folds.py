"""Repeated folds: each seed trains and tests on its own fold of the same rows, scaled by its own training rows."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dnnx.basics.errors import require
from dnnx.basics.seeding import derive, generator
from dnnx.data.folds import fold_rows
from dnnx.data.scaling import standardize
from dnnx.data.splitting import Splits


def repeated_folds(
    x: Tensor, y: Tensor, folds: int, seeds: Sequence[int], order_seed: int, val_share: float, scale: bool
) -> tuple[Splits, dict[str, Tensor], tuple[Tensor, Tensor] | None]:
    """Return train, val and test of all seeds, one after the other, and the rows [R, n] of each in them.

    The third value are mean and scale of each seed's features, [R, F], or None without `scale`.

    Seed s is tested on fold s % folds of the division number s // folds, so `folds` seeds in a row test every row
    once. Folds are stratified and of equal size; a remainder of fewer rows than folds, drawn by each division, is left
    out. Of the other folds' rows `val_share` are for validation. With `scale` each seed's features are standardized by
    its own training rows.
    """
    parts: dict[str, list[Tensor]] = {"train": [], "val": [], "test": []}
    targets: dict[str, list[Tensor]] = {name: [] for name in parts}
    scalings: list[tuple[Tensor, Tensor]] = []
    for seed in seeds:
        train, test = fold_rows(y, folds, derive(order_seed, "division", seed // folds))
        rest = train[seed % folds]
        rest = rest[torch.randperm(len(rest), generator=generator(order_seed, "fold_val", seed))]
        num_val = max(1, round(len(rest) * val_share))
        rows = {"train": rest[num_val:], "val": rest[:num_val], "test": test[seed % folds]}
        own = {name: x[places] for name, places in rows.items()}
        if scale:
            scalings.append(standardize(own))
        for name, places in rows.items():
            parts[name].append(own[name])
            targets[name].append(y[places])
    num = len(seeds)
    splits = {name: (torch.cat(parts[name]), torch.cat(targets[name])) for name in parts}
    scaling = (torch.stack([s[0] for s in scalings]), torch.stack([s[1] for s in scalings])) if scalings else None
    return splits, {name: torch.arange(len(ys)).view(num, -1) for name, (_, ys) in splits.items()}, scaling


def told_folds(folds: int, num_rows: int, order_seed: int) -> str:
    """Return how rows are divided, and how many each repeat leaves out of its tests.

    >>> told_folds(5, 178, 0)
    '5 folds in each 5 seeds by data.order_seed=0, each repeat tests 175 rows and leaves out 3, others each time'
    """
    told, rest = f"{folds} folds in each {folds} seeds by data.order_seed={order_seed}", num_rows % folds
    if not rest:
        return f"{told}, each repeat tests every row"
    return f"{told}, each repeat tests {num_rows - rest:,} rows and leaves out {rest}, others each time"


def check_folds(folds: int, y: Tensor, names: Sequence[str]) -> None:
    """Raise UserError unless every class has as many rows as there are folds."""
    most = len(y) // 2
    valid = type(folds) is int and 2 <= folds <= most
    told = f"it must be null or a whole number from 2 to {most}, half of the rows; type for example data.folds=5"
    require(valid, "data.folds", folds, told)
    if names:
        counts = y.long().bincount(minlength=len(names))
        few = int(counts.argmin())
        told = f"class {names[few]} has {counts[few]} rows; type data.folds={max(2, int(counts[few]))} or fewer"
        require(int(counts[few]) >= folds, "data.folds", folds, told)
