"""In-memory batches: no worker processes, no per-sample transforms, tensors already on the device."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from dnnx.seeding import generator


class TrainBatches:
    """One epoch of batches ([R, B, features], [R, B]), each seed in its own order.

    The order depends on seed and epoch alone, so every arm sees the same batches and a resumed epoch is the
    same epoch. All batches are full: the images left over (fewer than a batch) differ in every epoch.
    """

    def __init__(self, x: Tensor, y: Tensor, batch_size: int, seeds: Sequence[int], epoch: Callable[[], int]):
        self.x, self.y, self.batch_size, self.seeds, self.epoch = x, y, batch_size, seeds, epoch

    def __len__(self) -> int:
        return len(self.x) // self.batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        n, epoch = len(self.x), self.epoch()
        orders = torch.stack([torch.randperm(n, generator=generator(seed, "order", epoch)) for seed in self.seeds])
        shape = (len(self.seeds), self.batch_size)
        for order in orders.to(self.x.device).split(self.batch_size, dim=1)[: len(self)]:
            index = order.flatten()
            yield self.x[index].view(*shape, -1), self.y[index].view(shape)


class EvalBatches:
    """A split in its own order, ([B, features], [B]), the same batch for every replica."""

    def __init__(self, x: Tensor, y: Tensor, batch_size: int):
        self.x, self.y, self.batch_size = x, y, batch_size

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(self.x.split(self.batch_size), self.y.split(self.batch_size), strict=True)
