"""Draw pairs of images: half with one class, half with two, no image with itself."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

SAME, DIFFERENT = 0, 1


class PairSampler:
    """Pairs of images with classes y [N]; there are at least two classes and two images of each.

    The first image is uniform over all. The second is uniform over the others of its class, or over all other classes.
    """

    def __init__(self, y: Tensor):
        self.order = y.argsort(stable=True)  # sorts by class; indices below refer to this order
        count = y.bincount()
        assert len(count) >= 2
        assert count.min() >= 2
        sorted_y = y[self.order]
        self.first, self.size = (count.cumsum(0) - count)[sorted_y], count[sorted_y]

    def draw(self, num: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return rows of y [num, 2] and labels [num]. Labels alternate: a slice of even length has half of each."""
        label = torch.arange(num) % 2
        place = torch.randint(len(self.order), (num,), generator=g)
        first, size = self.first[place], self.size[place]
        among = torch.where(label == SAME, size - 1, len(self.order) - size)
        k = torch.randint(2**62, (num,), generator=g) % among  # uniform but for 2^-46
        same = first + k + (first + k >= place)
        different = k + size * (k >= first)
        return self.order[torch.stack([place, torch.where(label == SAME, same, different)], 1)], label


class PairBatches:
    """Batches (x [..., B, 2, channels, H, W], y [..., B]) of `num` pairs. Each pass calls `draw` once.

    `draw` returns rows of `x` [..., num, 2] and labels [..., num].
    """

    def __init__(self, x: Tensor, num: int, batch_size: int, draw: Callable[[], tuple[Tensor, Tensor]]):
        self.x, self.num, self.batch_size, self.draw = x, num, batch_size, draw

    def __len__(self) -> int:
        return -(-self.num // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rows, y = (drawn.to(self.x.device) for drawn in self.draw())
        for of_batch, labels in zip(rows.split(self.batch_size, -2), y.split(self.batch_size, -1), strict=True):
            yield self.x[of_batch], labels
