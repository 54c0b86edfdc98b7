"""EpochSums: the curves of a task, summed over the examples of an epoch."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

MAX_HELD = 2**20  # numbers of outputs that wait for their metrics; more are measured at once
Batch = tuple[Tensor, Tensor, Tensor]  # outputs [R, B, ...], targets [R, B, ...], losses [R, B]


class EpochSums(nn.Module):
    """Sums the curves of each replica.

    `sums` [curves + 1, R] holds the loss, the other curves of the task and the number of examples. No checkpoint holds
    them: it is written between two epochs.
    """

    sums: Tensor

    def __init__(self, task: Any, num_replicas: int):
        super().__init__()
        self.task = task
        self.register_buffer("sums", torch.zeros(len(task.curves) + 1, num_replicas), persistent=False)

    def add(self, outputs: Tensor, y: Tensor, loss: Tensor) -> None:
        """Add a batch with outputs [R, B, ...], targets [R, B, ...] and losses [R, B]."""
        self.sums[0] += loss.sum(-1)
        values = self.task.per_example(outputs.flatten(0, 1), y.flatten(0, 1))
        for row, name in enumerate(self.task.curves[1:], start=1):
            self.sums[row] += values[name].view(loss.shape).sum(-1)
        self.sums[-1] += loss.shape[-1]

    def add_all(self, batches: Iterable[Batch]) -> int:
        """Add batches, as many at once as may be held; return how many there were."""
        num = 0
        for held in _groups(batches):
            self.add(*(torch.cat(values, dim=1) for values in zip(*held, strict=True)))
            num += len(held)
        return num

    def means(self) -> dict[str, Tensor]:
        """Return the mean of each curve, [R], and begin a new epoch."""
        means = self.sums[:-1] / self.sums[-1]
        self.sums.zero_()
        return dict(zip(self.task.curves, means, strict=True))

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the replicas at these places alone."""
        self.sums = self.sums[:, list(places)]


def _groups(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """Yield all batches together, or in several groups where their outputs are large."""
    held: list[Batch] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch[0].numel()
        if size > MAX_HELD:
            yield held
            held, size = [], 0
    if held:
        yield held
