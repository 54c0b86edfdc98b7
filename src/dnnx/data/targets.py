"""Targets: labels 0 to C-1 or numbers, and their errors."""

import torch
from torch import Tensor

from dnnx.basics.errors import UserError, require
from dnnx.data.splitting import Splits

MAX_CLASSES = 100_000


def settle(splits: Splits, kind: str, names: list[str] | None) -> tuple[Splits, int | None, list[str]]:
    """Return the splits with y int64 or float32, the number of classes (None: numbers) and the class names.

    Raise UserError for labels that are not 0 to C-1 and for a constant target.
    """
    y = splits["train"][1]
    if names is None and (kind == "numbers" or (kind == "auto" and y.is_floating_point())):
        for name, (_, values) in splits.items():
            finite = bool(values.double().isfinite().all())
            require(finite, "data", f"a target in {name} is NaN or infinite", "targets must be finite numbers")
        constant = bool((y == y[:1]).all())
        require(not constant, "data", f"every training target is {y.flatten()[0]:g}", "a target must vary")
        return {name: (x, values.float()) for name, (x, values) in splits.items()}, None, []
    whole = all(bool((values == values.long()).all()) for _, values in splits.values())
    require(whole, "data.kind", kind, "labels must be whole numbers; type data.kind=numbers")
    labels = {name: (x, values.long()) for name, (x, values) in splits.items()}
    names = names or _names(labels["train"][1])
    for name, (_, values) in labels.items():
        _check_labels(name, values, len(names))
    return labels, len(names), names


def _names(y: Tensor) -> list[str]:
    """Return the names 0 to C-1 of the training labels. Raise UserError if a label in between does not occur."""
    found = y.unique()
    expected = torch.arange(len(found), device=y.device)
    if len(found) < 2:
        raise UserError(f"data: every training label is {found[0].item()}; there must be two classes or more")
    if not torch.equal(found, expected):
        shown = ", ".join(map(str, found[:5].tolist())) + (", ..." if len(found) > 5 else "")
        told = f"labels must be 0 to {len(found) - 1}, found {shown}"
        raise UserError(f"data: {told}; subtract or map them, or type data.kind=numbers")
    return [str(label) for label in found.tolist()]


def _check_labels(split: str, y: Tensor, num: int) -> None:
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= num:
        raise UserError(f"data: labels of {split} must be 0 to {num - 1}, found {low if low < 0 else high}")
