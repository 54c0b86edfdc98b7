"""The part of a dataset that the sampler of a torch DataLoader draws."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

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
)

from dnnx.basics.errors import UserError

AS_SUBSET = "give the examples that it draws as a Subset of the dataset"
AS_WEIGHTS = "leave it out, and type data.class_weights=balanced, or a list of one weight for each class"


class Drawn(Subset):
    """The examples that a sampler draws. The names of the classes are those of the whole dataset."""

    @property
    def classes(self) -> Any:
        return getattr(self.dataset, "classes", None)


def sampled(loader: DataLoader, told: str) -> Any:
    """Return the dataset of a loader, or the part of it that is drawn. `told` names the loader in error messages.

    dnnx draws the order of the examples itself, for each seed. Raise UserError for a sampler that repeats examples, or
    draws others in each epoch.
    """
    dataset: Any = loader.dataset
    if isinstance(dataset, IterableDataset):
        return dataset
    batches = loader.batch_sampler
    is_plain = batches is None or type(batches) is BatchSampler
    sampler: Any = getattr(batches, "sampler", loader.sampler) if is_plain else batches
    if isinstance(sampler, WeightedRandomSampler):
        raise _refused(sampler, told, "which dnnx does not use", AS_WEIGHTS)
    if isinstance(sampler, DistributedSampler):  # it gives each process its share of all
        return dataset
    if type(sampler) in (SequentialSampler, RandomSampler):
        if len(sampler) == len(dataset) and not getattr(sampler, "replacement", False):
            return dataset
        raise _refused(sampler, told, "which does not draw every example once", AS_SUBSET)
    is_fixed = type(sampler) is SubsetRandomSampler
    return _part(dataset, sampler, _rows(sampler.indices if is_fixed else sampler, len(dataset), sampler, told), told)


def _part(dataset: Any, sampler: Any, rows: list[int], told: str) -> Any:
    """Return the dataset if `rows` are all of it in any order, else the examples at these rows."""
    if len({*rows}) < len(rows):
        raise _refused(sampler, told, "which repeats examples", AS_SUBSET)
    if type(sampler) is SubsetRandomSampler:
        return Drawn(dataset, rows)
    if len(rows) == len(dataset):
        return dataset
    if {*rows} != {*_rows(sampler, len(dataset), sampler, told)}:
        raise _refused(sampler, told, "which draws other examples in each epoch", AS_SUBSET)
    return Drawn(dataset, sorted(rows))


def _rows(drawn: Any, num: int, sampler: Any, told: str) -> list[int]:
    """Return the indices of one epoch, those of batches one after the other.

    Of more than `num` one is repeated, so no more than that are listed: a sampler may be endless.
    """
    try:
        rows = [int(row) for row in islice(_flat(drawn), num + 1)]
    except (TypeError, ValueError):
        raise _refused(sampler, told, "which draws no whole numbers", AS_SUBSET) from None
    return [row + num if row < 0 else row for row in rows]


def _flat(drawn: Any) -> Iterator[Any]:
    for entry in drawn:
        is_batch = isinstance(entry, list | tuple) or getattr(entry, "ndim", 0) > 0
        yield from entry if is_batch else [entry]


def _refused(sampler: Any, told: str, why: str, advice: str) -> UserError:
    return UserError(f"data: {told} has a {type(sampler).__name__}, {why}; {advice}")
