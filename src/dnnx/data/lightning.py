"""The user's data: any LightningDataModule or torch Dataset, without knowledge of dnnx."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from dnnx.basics.errors import UserError, choose, is_number, require
from dnnx.config.build import naming
from dnnx.data.arrays import ArrayData, Arrays
from dnnx.data.examples import DatasetSplit, class_names, examples_of, examples_of_loader, seeded
from dnnx.data.splitting import check_shares, split_rows
from dnnx.data.streams import Streamed

MEMORY_MB = 4000  # of float32 examples; larger data is streamed by default
FEW = 16  # examples in the checksum of streamed data


@dataclass(eq=False, repr=False, kw_only=True)
class InMemory(ArrayData):
    """The examples of a user's data, read once into memory. Random transforms are therefore applied once."""

    parts: Mapping[str, DatasetSplit]
    told: str  # their class, and how they were split

    def read(self) -> Arrays:
        with seeded(self.order_seed, "read"):
            splits = {part: own.read() for part, own in self.parts.items()}
        names = class_names(self.parts["train"].dataset, splits["train"][1])
        files = {"examples": checksum([tensor for pair in splits.values() for tensor in pair])}
        provenance = {"source": "own", "note": f"{self.told}, read into memory once", "warning": "", "files": files}
        return Arrays(splits, provenance, names)


SETTINGS = {
    field.name
    for field in dataclasses.fields(ArrayData)
    if field.name not in ("seeds", "x", "y", "given")
} | {"stream", "memory_mb"}  # fmt: skip


def is_complete(cls: Any) -> bool:
    """Return whether a class has dnnx's own protocol and needs no wrapper."""
    return hasattr(cls, "eval_dataloader") and hasattr(cls, "check_batch_size")


def wrap(
    source: Any, test: Any, seeds: Sequence[int], stream: str | bool = "auto", memory_mb: float = MEMORY_MB, **more: Any
) -> InMemory | Streamed:
    """Return the data of a LightningDataModule, or of a Dataset and an optional Dataset `test`.

    Args:
        stream: True reads each batch when it is needed, False reads all data into memory, "auto" decides by
            `memory_mb`.
        more: settings of ArrayData, such as batch_size, standardize or class_weights.
    """
    choose("data.stream", str(stream).lower(), dict.fromkeys(("auto", "true", "false")))
    require(is_number(memory_mb) and memory_mb > 0, "data.memory_mb", memory_mb, "a number of megabytes above 0")
    shares, order_seed = more.get("split", (0.7, 0.15, 0.15)), more.get("order_seed", 0)
    check_shares(shares, order_seed)
    with seeded(order_seed, "read"):
        is_module = isinstance(source, pl.LightningDataModule)
        parts, batch_size = _of_module(source, order_seed) if is_module else _of_set(source, test)
        parts, how = _complete(parts, shares, order_seed)
        x, _ = parts["train"][0]
    more = {"batch_size": batch_size} | more
    size = x.numel() * 4 / 1e6 * sum(len(own) for own in parts.values())
    told = f"{type(source).__module__}.{type(source).__qualname__}{how}"
    if str(stream).lower() == "true" or (stream == "auto" and size > memory_mb):
        return _streamed(parts, told, seeds, more)
    return InMemory(seeds=seeds, parts=parts, told=told, **more)


def checksum(tensors: Sequence[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()


def _streamed(parts: dict[str, DatasetSplit], told: str, seeds: Sequence[int], more: dict[str, Any]) -> Streamed:
    for name in ("standardize", "train_size", "augment"):
        value = more.pop(name, None)
        require(not value, f"data.{name}", value, "not for streamed data; leave it out, or type data.stream=false")
    more.pop("split", None)
    order_seed = more.get("order_seed", 0)
    with seeded(order_seed, "read"):
        few = [tensor for own in parts.values() for i in range(min(FEW, len(own))) for tensor in own[i]]
    note = f"{told}, streamed in one order for all seeds by data.order_seed={order_seed}"
    provenance = {"source": "own", "note": note, "warning": "", "files": {"first examples": checksum(few)}}
    return Streamed(seeds=seeds, parts=parts, provenance=provenance, **more)


def read_module(module: pl.LightningDataModule) -> dict[str, tuple[Tensor, Tensor]]:
    """Return all examples of a LightningDataModule, x [N, ...] and y [N, ...]: train, test, and val if it has them.

    Raise UserError for everything that goes wrong in it, and for examples that are no pairs of one shape.
    """
    with naming("data", type(module)):
        with seeded(0, "read"):
            parts, _ = _of_module(module, 0)
        with seeded(0, "read"):
            return {part: own.read() for part, own in parts.items()}


def _of_module(module: pl.LightningDataModule, order_seed: int) -> tuple[dict[str, DatasetSplit], int]:
    """Return the examples of its loaders, and the batch size of the training loader.

    Each stage begins with the same random numbers, so a random division in `setup` is the same in both.
    """
    module.prepare_data()
    made: dict[str, Any] = {}
    for stage, parts in {"fit": ("train", "val"), "test": ("test",)}.items():
        with seeded(order_seed, "read"):
            module.setup(stage)
            made |= {part: _loader(module, part) for part in parts}
    if made["test"] is None:
        raise UserError(f"data: {type(module).__name__} has no test_dataloader; a test set is needed")
    if made["val"] is None:
        del made["val"]
    size = getattr(made["train"], "batch_size", None)
    return {part: examples_of_loader(loader, f"{part}_dataloader") for part, loader in made.items()}, size or 32


def _loader(module: pl.LightningDataModule, part: str) -> Any:
    """Return the loader of a part, or None if the module has none for validation or testing."""
    hook = getattr(module, f"{part}_dataloader")
    is_absent = getattr(hook, "__func__", None) is getattr(pl.LightningDataModule, f"{part}_dataloader")
    return None if is_absent and part != "train" else hook()


def _of_set(dataset: Any, test: Any) -> tuple[dict[str, DatasetSplit], int]:
    told = type(dataset).__name__
    if test is None:
        return {"all": examples_of(dataset, told)}, 32
    return {"train": examples_of(dataset, told), "test": examples_of(test, f"{told}(train=False)")}, 32


def _complete(
    parts: dict[str, DatasetSplit], shares: Sequence[float], order_seed: int
) -> tuple[dict[str, DatasetSplit], str]:
    """Return train, val and test, with missing ones drawn from the others, and a note about the split."""
    if {"train", "val", "test"} <= set(parts):
        return parts, ""
    whole = parts.get("all") or parts["train"]
    y = whole.targets()
    names = ("train", "val", "test") if "all" in parts else ("train", "val")
    drawn = split_rows(y, shares[: len(names)], order_seed)
    made = {name: whole.subset(rows) for name, rows in zip(names, drawn, strict=True)}
    what = f"split {'/'.join(f'{share:g}' for share in shares)}" if "all" in parts else "validation drawn from training"
    return made | {name: own for name, own in parts.items() if name == "test"}, f", {what}"
