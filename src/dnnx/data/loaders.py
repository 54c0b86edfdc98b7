"""In-memory batches: no worker processes, no per-sample transforms, tensors already on the device."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.seeding import generator


class Chunks:
    """The batches of an epoch, `steps` at a time, each chunk an iterator of batches: what one training_step takes."""

    def __init__(self, batches: Any, steps: int = 32):
        self.batches, self.steps = batches, steps

    def __len__(self) -> int:
        return -(-len(self.batches) // self.steps)

    def __iter__(self) -> Iterator[Iterator[Any]]:
        batches = iter(self.batches)
        return (islice(batches, self.steps) for _ in range(len(self)))


class TrainBatches:
    """One epoch of batches ([R, B, features], [R, B]), each seed in its own order.

    The order depends on seed and epoch alone, so every arm sees the same batches and a resumed epoch is the
    same epoch. All batches are full: the images left over (fewer than a batch) differ in every epoch. With
    `rows` [R, n] each seed has its own n images of x.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        batch_size: int,
        seeds: Sequence[int],
        epoch: Callable[[], int],
        rows: Tensor | None = None,
    ):
        self.x, self.y, self.batch_size, self.seeds, self.epoch, self.rows = x, y, batch_size, seeds, epoch, rows

    def __len__(self) -> int:
        return self._num_images() // self.batch_size

    def _num_images(self) -> int:
        return len(self.x) if self.rows is None else self.rows.shape[1]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        n, epoch = self._num_images(), self.epoch()
        orders = torch.stack([torch.randperm(n, generator=generator(seed, "order", epoch)) for seed in self.seeds])
        orders = orders.to(self.x.device)
        orders = orders if self.rows is None else self.rows.gather(1, orders)
        shape = (len(self.seeds), self.batch_size)
        for order in orders.split(self.batch_size, dim=1)[: len(self)]:
            index = order.flatten()
            yield self.x[index].view(*shape, -1), self.y[index].view(shape)


class EvalBatches:
    """A split in its own order: ([B, features], [B]), one batch for all replicas.

    With `rows` [R, n] each replica has its own images of x: ([R, B, features], [R, B]).
    """

    def __init__(self, x: Tensor, y: Tensor, batch_size: int, rows: Tensor | None = None):
        self.x, self.y, self.batch_size, self.rows = x, y, batch_size, rows

    def __len__(self) -> int:
        return -(-(len(self.x) if self.rows is None else self.rows.shape[1]) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.rows is None:
            return zip(self.x.split(self.batch_size), self.y.split(self.batch_size), strict=True)
        return ((self.x[rows], self.y[rows]) for rows in self.rows.split(self.batch_size, dim=1))
