"""Weights of the training examples in the loss: by class, by example, or both."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dnnx.basics.errors import is_number, require


def example_weights(
    of_classes: str | Sequence[float] | None, of_examples: Tensor | None, y: Tensor, num_classes: int | None
) -> Tensor | None:
    """Return the weight [N] of each training example with label y [N], or None without weights.

    `balanced` gives every class the same total: N / (C * examples of the class), a mean weight of 1.
    """
    if of_examples is not None:
        valid = bool((of_examples >= 0).all()) and bool(of_examples.isfinite().all()) and bool(of_examples.sum() > 0)
        require(valid, "data.weight", f"{of_examples.min():g} to {of_examples.max():g}", "finite numbers of at least 0")
    if of_classes is None:
        return None if of_examples is None else of_examples.float()
    told = "only for one label per example; leave it out"
    require(num_classes is not None and y.dim() == 1, "data.class_weights", of_classes, told)
    assert num_classes is not None
    own = _class_weights(of_classes, y, num_classes)[y]
    return own if of_examples is None else own * of_examples.float()


def _class_weights(given: str | Sequence[float], y: Tensor, num: int) -> Tensor:
    if given == "balanced":
        return len(y) / (num * y.bincount(minlength=num).clamp(min=1)).float()
    numbers = not isinstance(given, str) and all(is_number(weight) and weight >= 0 for weight in given)
    valid = numbers and len(given) == num and any(given)
    told = f"balanced, or a list of {num} numbers of at least 0, one for each class"
    require(valid, "data.class_weights", given if isinstance(given, str) else list(given), told)
    return torch.tensor(given, dtype=torch.float32)
