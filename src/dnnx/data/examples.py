"""Examples of a user's torch Dataset or DataLoader, as pairs of tensors."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset, default_collate

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import derive


@dataclass(frozen=True)
class Examples:
    """The examples of one split: those of `dataset`, through the collate function of its loader."""

    dataset: Any
    collate: Any = None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        item = self.dataset[index]
        x, y = pair(item if self.collate is None else _first_of_batch(self.collate([item])), index)
        return as_tensor(x, index), as_tensor(y, index)

    def subset(self, rows: Tensor) -> "Examples":
        return Examples(Subset(self.dataset, rows.tolist()), self.collate)

    def targets(self) -> Tensor:
        """Return all targets [N, ...]: the dataset's own `targets` if it has them, else from one pass over it."""
        own = getattr(self.dataset, "targets", None)
        if own is not None and len(own) == len(self) and self.collate is None:
            return torch.as_tensor(own)
        return stack([self[i][1] for i in range(len(self))], "target")

    def read(self) -> tuple[Tensor, Tensor]:
        """Return all examples, x [N, ...] and y [N, ...]. Raise UserError with the first example of another shape."""
        xs, ys = zip(*(self[i] for i in range(len(self))), strict=True)
        return stack(xs, "example"), stack(ys, "target")


def examples_of(source: Any, told: str) -> Examples:
    """Return the examples of a DataLoader or Dataset. `told` names it in error messages."""
    if isinstance(source, list | tuple | Mapping):
        raise UserError(f"data: {told} gives {len(source)} loaders; one is needed")
    dataset = getattr(source, "dataset", source)
    collate = getattr(source, "collate_fn", None) if isinstance(source, DataLoader) else None
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        dataset = list(dataset)
    if len(dataset) == 0:
        raise UserError(f"data: {told} gives no example")
    return Examples(dataset, None if collate is default_collate else collate)


def pair(item: Any, index: int) -> tuple[Any, Any]:
    if isinstance(item, tuple | list) and len(item) == 2:
        return item[0], item[1]
    keys = f" with {', '.join(map(str, item))}" if isinstance(item, Mapping) else ""
    length = f" of {len(item)}" if isinstance(item, tuple | list) else ""
    raise UserError(f"data: an example must be a pair (x, y); example {index} is a {type(item).__name__}{length}{keys}")


def as_tensor(value: Any, index: int) -> Tensor:
    """Return a tensor from a tensor, array, number or PIL image. Pixels become uint8 [channels, H, W]."""
    if isinstance(value, Tensor):
        return value
    if hasattr(value, "getbands"):  # a PIL image
        pixels = np.asarray(value)
        return torch.from_numpy(pixels[None].copy() if pixels.ndim == 2 else pixels.transpose(2, 0, 1).copy())
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        told = f"example {index} holds a {type(value).__name__}; tensors, arrays, numbers or images are needed"
        raise UserError(f"data: {told}") from None


def stack(values: Sequence[Tensor], told: str) -> Tensor:
    for i, value in enumerate(values):
        if value.shape != values[0].shape:
            shapes = f"{told} {i} has the shape {tuple(value.shape)}, {told} 0 {tuple(values[0].shape)}"
            raise UserError(f"data: {shapes}; all need the same shape")
    return torch.stack([*values])


@contextmanager
def seeded(seed: int, *purpose: str | int) -> Iterator[None]:
    """Seed the random numbers of torch, NumPy and Python for a block by seed and purpose; restore them afterwards."""
    number = derive(seed, *purpose)
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number)
        random.seed(number)
        np.random.seed(number % 2**32)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def _first_of_batch(batch: Any) -> Any:
    x, y = pair(batch, 0)
    return x[0], y[0]
