"""Real or corrupted images: an auxiliary task that needs no labels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from dnnx.basics.at_work import Check
from dnnx.basics.seeding import generator
from dnnx.data.arrays import EVAL_BATCH, Examples
from dnnx.data.checks import CORRUPTED_CHECKS
from dnnx.data.digits import Digits
from dnnx.data.loaders import Chunks

CORRUPTED, REAL = 0, 1
GRID = 4  # grid points per side of the random surface that separates two images

Draw = tuple[Tensor, Tensor, Tensor]  # rows [..., n], rows of their partners [..., n], numbers [..., n, K]


@dataclass(eq=False, repr=False, kw_only=True)
class RealOrCorrupted(Digits):
    """Images with label 1, and images with label 0 in which some regions come from another image.

    The regions are drawn for each image and depend on neither image, so no single pixel reveals a corrupted image
    (hybrid images, Hinton 2022). Every seed has its own images of the digits 5-9 and corrupts half of them: different
    ones in every training epoch, always the same for validation. Half of the test images are corrupted, the same for
    all seeds.
    """

    batch_size: int = 128
    classes: Sequence[int] | None = (5, 6, 7, 8, 9)
    val_per_class: int | None = 100

    checks: ClassVar[tuple[Check, ...]] = CORRUPTED_CHECKS
    items: ClassVar[str] = "real or corrupted images"
    foldable: ClassVar[bool] = False
    refused: ClassVar[tuple[str, ...]] = ("train_size", "augment", "class_weights", "batches_per_epoch")

    def setup(self, stage: str | None = None) -> None:
        if self.is_set_up:
            return
        super().setup(stage)
        self.num_classes, self.class_names = 2, ["corrupted", "real"]
        self.provenance["note"] += ", half of the images corrupted"

    def train_dataloader(self) -> Chunks:
        trainer = self.trainer
        assert trainer is not None, "the trainer knows the epoch"
        num = self.sizes["train"] // self.batch_size * self.batch_size

        def draw() -> Draw:
            return self._draw("train", num, trainer.current_epoch)

        return Chunks(CorruptedBatches(self.splits["train"][0], num, self.batch_size, draw, self._regions))

    def eval_dataloader(self, split: str) -> "CorruptedBatches":
        num = self.sizes[split]
        draw = partial(self._draw, split, num, "once")
        return CorruptedBatches(self.splits[split][0], num, EVAL_BATCH, draw, self._regions)

    def pictures(self, images: Tensor, index: Tensor) -> Tensor:
        x = torch.cat([x for x, _ in self.eval_dataloader("test")])[index.to(self.splits["test"][0].device)]
        x = x if self.scaling is None else x * self.scaling[1].to(x.device) + self.scaling[0].to(x.device)
        return (255 * x.cpu()).round().to(torch.uint8).permute(0, 2, 3, 1)

    def _draw(self, split: str, num: int, when: int | str) -> Draw:
        """Return `num` images of each seed in its own order, each with the one before as its partner."""
        if split not in self.rows:
            return draw(torch.arange(self.sizes[split]), num, generator(0, "corrupt", split, when))
        streams = [generator(seed, "corrupt", split, when) for seed in self.seeds]
        of_seeds = [draw(rows, num, g) for rows, g in zip(self.rows[split].cpu(), streams, strict=True)]
        rows, others, u = (torch.stack(values) for values in zip(*of_seeds, strict=True))
        return rows, others, u

    def _regions(self, u: Tensor) -> Tensor:
        return regions(u, *self.in_shape[-2:])


class CorruptedBatches:
    """Batches (x [..., B, channels, H, W], y [..., B]) of `num` images, corrupted and real in turns. Each pass calls
    `draw`.
    """

    def __init__(
        self, x: Tensor, num: int, batch_size: int, draw: Callable[[], Draw], masks: Callable[[Tensor], Tensor]
    ):
        self.x, self.num, self.batch_size, self.draw, self.masks = x, num, batch_size, draw, masks

    def __len__(self) -> int:
        return -(-self.num // self.batch_size)

    def __iter__(self) -> Iterator[Examples]:
        drawn = [values.to(self.x.device) for values in self.draw()]
        axis = drawn[0].dim() - 1
        for rows, others, u in zip(*(values.split(self.batch_size, axis) for values in drawn), strict=True):
            y = torch.arange(rows.shape[-1], device=rows.device) % 2
            own = self.masks(u)[..., None, :, :] | (y == REAL)[:, None, None, None]
            yield torch.where(own, self.x[rows], self.x[others]), y.expand(rows.shape)


def draw(rows: Tensor, num: int, g: torch.Generator) -> Draw:
    order = rows[torch.randperm(len(rows), generator=g)][:num]
    return order, order.roll(1), torch.randn((num, GRID**2), generator=g)


def regions(u: Tensor, height: int, width: int) -> Tensor:
    """Return masks [..., height, width], true where the smooth surface through normal numbers u [..., GRID^2] is above
    0.
    """
    points = torch.eye(GRID**2, device=u.device).view(-1, 1, GRID, GRID)
    above = u @ F.interpolate(points, (height, width), mode="bicubic").flatten(1) > 0
    return above.unflatten(-1, (height, width))
