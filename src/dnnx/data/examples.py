"""Examples of a user's torch Dataset or DataLoader, as pairs of tensors."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset, default_collate, default_convert

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import derive
from dnnx.data.sampled import sampled


@dataclass(frozen=True)
class DatasetSplit:
    """The examples of one split: those of `dataset`, each converted as its loader does."""

    dataset: Any
    convert: Any = None  # from an item of the dataset to a pair

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        item = self.dataset[index]
        x, y = pair(item if self.convert is None else self.convert(item), index)
        return as_tensor(x, index), as_tensor(y, index)

    def subset(self, rows: Tensor) -> "DatasetSplit":
        return DatasetSplit(Subset(self.dataset, rows.tolist()), self.convert)

    def targets(self) -> Tensor:
        """Return all targets [N, ...]: the `targets` of a dataset of torchvision, else those of one pass over it."""
        found = None if self.convert is not None else _own_targets(self.dataset)
        if found is not None and found.dim() and len(found) == len(self):
            return found
        return stack([self[i][1] for i in range(len(self))], "target")

    def read(self) -> tuple[Tensor, Tensor]:
        """Return all examples, x [N, ...] and y [N, ...]. Raise UserError with the first example of another shape."""
        xs, ys = zip(*(self[i] for i in range(len(self))), strict=True)
        return stack(xs, "example"), stack(ys, "target")


def examples_of(dataset: Any, told: str, convert: Any = None) -> DatasetSplit:
    """Return the examples of a Dataset. `told` names it in error messages."""
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        dataset = list(dataset)
    if len(dataset) == 0:
        raise UserError(f"data: {told} gives no example")
    return DatasetSplit(dataset, convert)


def examples_of_loader(loader: Any, told: str) -> DatasetSplit:
    """Return the examples of a DataLoader, of a Dataset in its place, or of any iterable of batches."""
    if loader is None:
        raise UserError(f"data: {told} returns None; a DataLoader is needed")
    if isinstance(loader, list | tuple | Mapping):
        raise UserError(f"data: {told} gives {len(loader)} loaders; one is needed")
    if not isinstance(loader, DataLoader):
        is_set = hasattr(loader, "__getitem__")
        return _of_items(loader, told) if is_set else examples_of(_unbatched(loader, told), told)
    collate, dataset = loader.collate_fn, sampled(loader, told)
    if loader.batch_sampler is None:  # batch_size=None
        return _of_items(dataset, told, None if collate is default_convert else collate)
    return examples_of(dataset, told, None if collate is default_collate else partial(_alone, collate))


def _of_items(dataset: Any, told: str, convert: Any = None) -> DatasetSplit:
    """Return the examples of a dataset that nothing batches. Raise UserError if they may be batches themselves."""
    found = examples_of(dataset, told, convert)
    x, y = found[0]
    if x.dim() and y.dim() and len(x) == len(y):
        shapes = f"x {tuple(x.shape)} with y {tuple(y.shape)}, which may be a batch or one example"
        raise UserError(f"data: {told} gives {shapes}; give a DataLoader with a batch_size, of a Dataset of examples")
    return found


def _unbatched(batches: Any, told: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the examples of an iterable of batches (x [B, ...], y [B, ...])."""
    if not hasattr(batches, "__iter__"):
        raise UserError(f"data: {told} gives a {type(batches).__name__}; a torch DataLoader is needed")
    for i, batch in enumerate(batches):
        x, y = (as_tensor(value, i) for value in pair(batch, i))
        if not x.dim() or not y.dim() or len(x) != len(y):
            shapes = f"batch {i} has x {tuple(x.shape)} and y {tuple(y.shape)}, not x [B, ...] and y [B, ...]"
            raise UserError(f"data: {told}: {shapes}; a torch DataLoader is needed")
        yield from zip(x, y, strict=True)


def _own_targets(dataset: Any) -> Tensor | None:
    """Return the `targets` of a dataset if its examples are surely read by torchvision or torch, from these targets."""
    own, method = getattr(dataset, "targets", None), getattr(type(dataset), "__getitem__", None)
    is_theirs = getattr(method, "__module__", "").split(".")[0] in ("torch", "torchvision")
    if own is None or not is_theirs or getattr(dataset, "target_transform", None) is not None:
        return None
    samples = getattr(dataset, "samples", None)  # of folders of images, whose examples are these
    try:
        return as_tensor(own if samples is None else [y for _, y in samples], 0)
    except UserError:  # text, for example
        return None


def class_names(dataset: Any, y: Tensor) -> list[str] | None:
    """Return the names `classes` of a dataset with labels y, or None unless there is one for each label."""
    names: Any = getattr(dataset, "classes", None)
    known = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    fits = known and not y.is_floating_point() and int(y.min()) >= 0 and int(y.max()) < len(names)
    return list(names) if fits else None


def pair(item: Any, index: int) -> tuple[Any, Any]:
    if isinstance(item, tuple | list) and len(item) == 2:
        return item[0], item[1]
    keys = f" with {', '.join(map(str, item))}" if isinstance(item, Mapping) else ""
    length = f" of {len(item)}" if isinstance(item, tuple | list) else ""
    raise UserError(f"data: an example must be a pair (x, y); example {index} is a {type(item).__name__}{length}{keys}")


def as_tensor(value: Any, index: int) -> Tensor:
    """Return a tensor from a tensor, array, number or PIL image. Pixels become uint8 [channels, H, W]."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
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


def _alone(collate: Any, item: Any) -> Any:
    """Return an item as the only one of its batch."""
    x, y = pair(collate([item]), 0)
    return x[0], y[0]
