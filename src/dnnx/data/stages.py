"""The loaders of a LightningDataModule, of one random division whatever its `setup` does in each stage."""

import random
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from dnnx.data.examples import checksum, examples_of_loader, few, seeded

FIT, ALL = ("train", "val"), ("train", "val", "test")


def loaders_of(module: pl.LightningDataModule, order_seed: int) -> dict[str, Any]:
    """Return the loaders of train, val and test; val and test are None if the module has none.

    Each is taken after its own stage, and each stage begins with the same random numbers, so a random division in
    `setup` is the same in both. If `setup` divides all examples again in each stage, all parts are taken after the
    last stage instead, without new random numbers in between: results of such modules stay as they were.
    """
    with seeded(order_seed, "read"):
        start = _state()
        module.setup("fit")
        made = _loaders(module, FIT)
    with seeded(order_seed, "read"):
        module.setup("test")
        made |= _loaders(module, ("test",))
        draws = _state() != start
    if not draws or not _are_made_again(module, made):
        return made
    with seeded(order_seed, "read"):
        module.setup("fit")
        with seeded(order_seed, "look"):
            first = _loaders(module, FIT) | {"test": made["test"]}
        module.setup("test")
        last = _loaders(module, ALL)
    parts = [part for part in ALL if made[part] is not None]
    new = all(last[part].dataset is not first[part].dataset for part in parts)
    return last if new and not any(_are_alike(part, made, last) for part in FIT if part in parts) else made


def _are_made_again(module: pl.LightningDataModule, made: dict[str, Any]) -> bool:
    """Return whether the stage "test" made the training and validation sets again, from the same examples."""
    try:
        again = _loaders(module, FIT)
    except Exception:  # of the user's code, which has no such set in this stage
        return False
    parts = [part for part in FIT if made[part] is not None]
    indexed = all(_is_indexed(loader) for loader in [*(made[part] for part in (*parts, "test")), *again.values()])
    return indexed and all(
        made[part].dataset is not again[part].dataset and _are_alike(part, made, again) for part in parts
    )


def _are_alike(part: str, one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two loaders of a part begin with the same examples, and have as many."""
    told = []
    for loaders in (one, other):
        with seeded(0, "look"):
            found = examples_of_loader(loaders[part], f"{part}_dataloader")
            told.append((len(found), checksum(few(found))))
    return told[0] == told[1]


def _is_indexed(loader: Any) -> bool:
    return loader is None or (isinstance(loader, DataLoader) and not isinstance(loader.dataset, IterableDataset))


def _loaders(module: pl.LightningDataModule, parts: Sequence[str]) -> dict[str, Any]:
    return {part: _loader(module, part) for part in parts}


def _loader(module: pl.LightningDataModule, part: str) -> Any:
    """Return the loader of a part, or None if the module has none for validation or testing."""
    hook = getattr(module, f"{part}_dataloader")
    is_absent = getattr(hook, "__func__", None) is getattr(pl.LightningDataModule, f"{part}_dataloader")
    return None if is_absent and part != "train" else hook()


def _state() -> tuple[Any, ...]:
    """Return the state of the random numbers of torch, Python and NumPy."""
    _, keys, *more = np.random.get_state()
    return torch.get_rng_state().tolist(), random.getstate(), np.asarray(keys).tolist(), more
