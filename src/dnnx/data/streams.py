"""Streamed: examples that do not fit into memory, read batch by batch in one order for all seeds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import lightning.pytorch as pl
import torch
from torch import Tensor

from dnnx.basics.at_work import Check
from dnnx.basics.errors import UserError, require
from dnnx.basics.seeding import generator
from dnnx.data import targets
from dnnx.data.arrays import EVAL_BATCH, ArrayData
from dnnx.data.examples import DatasetSplit, class_names, seeded, stack
from dnnx.data.loaders import Chunks, as_input
from dnnx.data.replicas import OfReplicas
from dnnx.data.weights import example_weights
from dnnx.data.whole_numbers import WholeNumbers


class Unread(dict):
    """The splits of streamed data. Access is an error, as no split is in memory."""

    def __missing__(self, split: str) -> Any:
        raise UserError(f"data: it is streamed, and its {split} examples are needed at once; type data.stream=false")


@dataclass(eq=False, repr=False, kw_only=True)
class Streamed(OfReplicas, WholeNumbers, pl.LightningDataModule):
    """Examples of `parts`, train, val and test, read when their batch is needed.

    The training order comes from `order_seed` and the epoch, never from the seeds: all seeds see the same batches.
    Random transforms draw from `order_seed`, the epoch and the index of the batch.
    """

    seeds: Sequence[int]
    parts: Mapping[str, DatasetSplit]
    provenance: Mapping[str, Any]
    batch_size: int = 32
    kind: str = "auto"
    class_weights: str | Sequence[float] | None = None
    order_seed: int = 0

    items: ClassVar[str] = "examples"
    multiple: ClassVar[int] = 1
    foldable: ClassVar[bool] = False
    checks: ClassVar[tuple[Check, ...]] = ()
    test_pictures: ClassVar[None] = None
    check_batch_size = ArrayData.check_batch_size

    def __post_init__(self) -> None:
        super().__init__()
        self.splits, self.rows, self.features = Unread(), {}, {}  # type: ignore[var-annotated]
        self.scaling = self.augmentation = None
        self.device = torch.device("cpu")
        self.labels: dict[str, Tensor] = {}

    def setup(self, stage: str | None = None) -> None:
        if self.labels:
            return
        with seeded(self.order_seed, "read"):
            labels = {part: own.targets() for part, own in self.parts.items()}
            x = self.parts["train"][0][0]
        self.in_shape, self.is_whole = tuple(x.shape), as_input(x).dtype == torch.int64
        names = class_names(self.parts["train"].dataset, labels["train"])
        found = {part: (y, y) for part, y in labels.items()}
        settled, self.num_classes, self.class_names = targets.settle(found, self.kind, names)
        self.labels = {part: y for part, (_, y) in settled.items()}
        self.target_shape = tuple(self.labels["train"].shape[1:])
        self.weights = example_weights(self.class_weights, None, self.labels["train"], self.num_classes)

    @property
    def sizes(self) -> dict[str, int]:
        """Return the number of examples of each split."""
        return {part: len(own) for part, own in self.parts.items()}

    def to(self, device: torch.device) -> None:
        """Move every batch to `device` from now on."""
        self.device = device

    def train_dataloader(self) -> Chunks:
        return Chunks(StreamedBatches(self))

    def val_dataloader(self) -> Any:
        return self.eval_dataloader("val")

    def eval_dataloader(self, split: str) -> Any:
        return StreamedSplit(self, split)

    def batch(self, split: str, rows: Tensor, *purpose: int) -> tuple[Tensor, Tensor]:
        """Return the examples at `rows` of a split, x [B, ...] and y [B, ...]."""
        with seeded(self.order_seed, "stream", split, *purpose):
            x = stack([self.parts[split][i][0] for i in rows.tolist()], "example of a batch")
        require(tuple(x.shape[1:]) == self.in_shape, "data", tuple(x.shape[1:]), f"examples must be {self.in_shape}")
        x = as_input(x).float() if self.as_floats else as_input(x)
        return x.to(self.device), self.labels[split][rows].to(self.device)


@dataclass
class StreamedBatches:
    """The training batches of an epoch, one batch for all seeds: (x [R, B, ...], y [R, B, ...]), or with weights."""

    data: Streamed

    def __len__(self) -> int:
        return self.data.sizes["train"] // self.data.batch_size

    def __iter__(self) -> Iterator[Any]:
        data, trainer = self.data, self.data.trainer
        assert trainer is not None, "the trainer knows the epoch"
        epoch = trainer.current_epoch
        order = torch.randperm(data.sizes["train"], generator=generator(data.order_seed, "order", epoch))
        for place, rows in enumerate(order.split(data.batch_size)[: len(self)]):
            batch = data.batch("train", rows, epoch, place)
            if data.weights is not None:
                batch = (*batch, data.weights[rows].to(data.device))  # type: ignore[assignment]
            yield tuple(tensor.expand(len(data.seeds), *tensor.shape) for tensor in batch)


@dataclass
class StreamedSplit:
    """The batches of a split in its own order, (x [B, ...], y [B, ...]) for all seeds."""

    data: Streamed
    split: str

    def __len__(self) -> int:
        return -(-self.data.sizes[self.split] // EVAL_BATCH)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for place, rows in enumerate(torch.arange(self.data.sizes[self.split]).split(EVAL_BATCH)):
            yield self.data.batch(self.split, rows, place)
