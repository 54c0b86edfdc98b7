"""Batches from memory: no worker processes, no per-sample transforms, tensors already on the device."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.seeding import generator


class Chunks:
    """The batches of an epoch in chunks of `steps`; a chunk is an iterator of batches and the input of one
    training_step.
    """

    def __init__(self, batches: Any, steps: int = 32):
        self.batches, self.steps = batches, steps

    def __len__(self) -> int:
        return -(-len(self.batches) // self.steps)

    def __iter__(self) -> Iterator[Iterator[Any]]:
        batches = iter(self.batches)
        return (islice(batches, self.steps) for _ in range(len(self)))


class TrainBatches:
    """One epoch of batches (x [R, B, ...], y [R, B, ...]), each seed in its own order; with weights (x, y, w [R, B]).

    The order depends on seed and epoch alone: every arm sees the same batches, and a resumed epoch repeats them. All
    batches are full. The remaining examples, fewer than a batch, differ in every pass over the examples.

    Args:
        rows: [R, n], each seed's own n examples of x.
        weights: [N], weights of the examples of x in the loss.
        per_epoch: batches of an epoch; None: those of one pass. The batches are those of whole passes in any case: only
            the places between them where an epoch ends are others.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        batch_size: int,
        seeds: Sequence[int],
        epoch: Callable[[], int],
        rows: Tensor | None = None,
        weights: Tensor | None = None,
        per_epoch: int | None = None,
    ):
        self.x, self.y, self.batch_size, self.seeds, self.epoch, self.rows = x, y, batch_size, seeds, epoch, rows
        self.weights, self.per_epoch = weights, per_epoch

    def __len__(self) -> int:
        return self.per_epoch or self._in_a_pass()

    def _in_a_pass(self) -> int:
        return self._num_examples() // self.batch_size

    def _num_examples(self) -> int:
        return len(self.x) if self.rows is None else self.rows.shape[1]

    def __iter__(self) -> Iterator[Any]:
        tensors = (self.x, self.y) if self.weights is None else (self.x, self.y, self.weights)
        shape = (len(self.seeds), self.batch_size)
        for order in self._orders():
            index = order.flatten()
            x, *others = (tensor.index_select(0, index).view(*shape, *tensor.shape[1:]) for tensor in tensors)
            yield (as_input(x), *others)

    def _orders(self) -> Iterator[Tensor]:
        """Yield the rows [R, B] of each batch of the epoch, which may begin and end inside a pass."""
        whole, first = self._in_a_pass(), self.epoch() * len(self)
        for number in range(first // whole, -(-(first + len(self)) // whole)):
            begin, end = max(first - number * whole, 0), min(first + len(self) - number * whole, whole)
            yield from self._pass(number).split(self.batch_size, dim=1)[begin:end]

    def _pass(self, number: int) -> Tensor:
        """Return the rows of all examples in the order of a pass, [R, n]."""
        n = self._num_examples()
        orders = torch.stack([torch.randperm(n, generator=generator(seed, "order", number)) for seed in self.seeds])
        orders = orders.to(self.x.device)
        return orders if self.rows is None else self.rows.gather(1, orders)


class EvalBatches:
    """A split in its own order: (x [B, ...], y [B, ...]), one batch for all replicas.

    With `rows` [R, n] each replica has its own examples of x: (x [R, B, ...], y [R, B, ...]).
    """

    def __init__(self, x: Tensor, y: Tensor, batch_size: int, rows: Tensor | None = None):
        self.x, self.y, self.batch_size, self.rows = x, y, batch_size, rows

    def __len__(self) -> int:
        return -(-(len(self.x) if self.rows is None else self.rows.shape[1]) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.rows is None:
            pairs = zip(self.x.split(self.batch_size), self.y.split(self.batch_size), strict=True)
            return ((as_input(x), y) for x, y in pairs)
        return ((as_input(self.x[rows]), self.y[rows]) for rows in self.rows.split(self.batch_size, dim=1))


def as_input(x: Tensor) -> Tensor:
    """Return examples as a net takes them: pixels of uint8 in [0, 1], other numbers float32, whole ones int64."""
    if x.dtype == torch.uint8:
        return x.to(torch.float32).div_(255)
    return x.to(torch.float32) if x.is_floating_point() or x.dtype == torch.bool else x.long()
