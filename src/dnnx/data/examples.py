"""Examples of a user's torch Dataset or DataLoader, as pairs of tensors."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
    default_collate,
)

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import derive

NUM_LOOKS = 32  # examples whose y is compared with the dataset's own targets


@dataclass(frozen=True)
class DatasetSplit:
    """The examples of one split: those of `dataset`, through the collate function of its loader."""

    dataset: Any
    collate: Any = None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        item = self.dataset[index]
        x, y = pair(item if self.collate is None else _first_of_batch(self.collate([item])), index)
        return as_tensor(x, index), as_tensor(y, index)

    def subset(self, rows: Tensor) -> "DatasetSplit":
        return DatasetSplit(Subset(self.dataset, rows.tolist()), self.collate)

    def targets(self) -> Tensor:
        """Return all targets [N, ...]: the dataset's own `targets` if they are those of its examples, else from one
        pass over it.
        """
        own = getattr(self.dataset, "targets", None)
        if own is not None and self.collate is None and getattr(self.dataset, "target_transform", None) is None:
            found = as_tensor(own, 0)
            if found.dim() and len(found) == len(self) and self._hold(found):
                return found
        return stack([self[i][1] for i in range(len(self))], "target")

    def _hold(self, targets: Tensor) -> bool:
        """Return whether some examples, the first and the last among them, have these targets."""
        rows = torch.linspace(0, len(self) - 1, min(NUM_LOOKS, len(self))).long().tolist()
        pairs = ((self[row][1], targets[row]) for row in rows)
        return all(y.dtype == own.dtype and torch.equal(y, own) for y, own in pairs)

    def read(self) -> tuple[Tensor, Tensor]:
        """Return all examples, x [N, ...] and y [N, ...]. Raise UserError with the first example of another shape."""
        xs, ys = zip(*(self[i] for i in range(len(self))), strict=True)
        return stack(xs, "example"), stack(ys, "target")


def examples_of(source: Any, told: str) -> DatasetSplit:
    """Return the examples of a DataLoader or Dataset. `told` names it in error messages."""
    if source is None:
        raise UserError(f"data: {told} returns None; a DataLoader is needed")
    if isinstance(source, list | tuple | Mapping):
        raise UserError(f"data: {told} gives {len(source)} loaders; one is needed")
    dataset, collate = getattr(source, "dataset", source), None
    if isinstance(source, DataLoader):
        dataset, collate = _sampled(source, told), source.collate_fn
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        dataset = list(dataset)
    if len(dataset) == 0:
        raise UserError(f"data: {told} gives no example")
    return DatasetSplit(dataset, None if collate is default_collate else collate)


def _sampled(loader: DataLoader, told: str) -> Any:
    """Return the dataset of a loader, or the part of it that is drawn. Raise UserError for a sampler of another kind.

    dnnx draws the order of the examples itself, for each seed.
    """
    dataset: Any = loader.dataset
    batches = loader.batch_sampler
    if isinstance(dataset, IterableDataset):
        return dataset
    is_plain = batches is None or type(batches) is BatchSampler
    sampler: Any = getattr(batches, "sampler", loader.sampler) if is_plain else batches
    if isinstance(sampler, SubsetRandomSampler):
        return Subset(dataset, [int(i) for i in sampler.indices])
    is_of_all = isinstance(sampler, SequentialSampler | RandomSampler) and len(sampler) == len(dataset)
    if not is_of_all and not isinstance(sampler, DistributedSampler):  # which gives each process its share of all
        advice = "give the examples that it draws as a Subset of the dataset"
        if isinstance(sampler, WeightedRandomSampler):
            advice = "leave it out, and type data.class_weights=balanced, or a list of one weight for each class"
        raise UserError(f"data: {told} has a {type(sampler).__name__}, which dnnx does not use; {advice}")
    return dataset


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


def _first_of_batch(batch: Any) -> Any:
    x, y = pair(batch, 0)
    return x[0], y[0]
