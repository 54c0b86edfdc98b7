"""Augmentation: shift, rotate and flip training images on the device, differently in every epoch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dnnx.basics.errors import is_number, require
from dnnx.basics.seeding import generator
from dnnx.data.loaders import TrainBatches

NUM_DRAWS = 4  # uniform numbers per image: angle, shift across, shift down, flip


@dataclass(frozen=True)
class Augmentation:
    """The settings data.augment of conf/. False if no image would change."""

    shift: float = 0
    rotation: float = 0
    flip: bool = False

    def __post_init__(self) -> None:
        for name, most in (("shift", math.inf), ("rotation", 180)):
            value = getattr(self, name)
            valid = is_number(value) and 0 <= value <= most and value < math.inf
            told = f"a number of {'pixels' if name == 'shift' else 'degrees, at most 180'}, at least 0"
            require(valid, f"data.augment.{name}", value, f"{told}, for example data.augment.{name}=2")
        require(isinstance(self.flip, bool), "data.augment.flip", self.flip, "true or false")

    def __bool__(self) -> bool:
        return self.shift > 0 or self.rotation > 0 or self.flip

    def sources(self, u: Tensor, height: int, width: int) -> Tensor:
        """Return affine maps [N, 2, 3] for `affine_grid`, from uniform numbers [N, 4].

        A shift given as a whole number moves by whole pixels. Any other also moves by parts of pixels.
        """
        angle = torch.deg2rad(self.rotation * (2 * u[:, 0] - 1))
        whole, s = isinstance(self.shift, int), self.shift
        across, down = (((2 * s + 1) * u[:, 1:3]).floor() - s if whole else (2 * u[:, 1:3] - 1) * s).unbind(1)
        mirror = torch.where(u[:, 3] < 0.5, -1.0, 1.0) if self.flip else torch.ones_like(angle)
        cos, sin = angle.cos(), angle.sin()
        x = torch.stack([mirror * cos, -sin * height / width, 2 * across / width], 1)
        y = torch.stack([mirror * sin * width / height, cos, 2 * down / height], 1)
        return torch.stack([x, y], 1)

    def __call__(self, x: Tensor, u: Tensor) -> Tensor:
        """Return images [N, channels, H, W] moved by uniform numbers [N, 4]. Border pixels are repeated outwards."""
        grid = F.affine_grid(self.sources(u, *x.shape[-2:]), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


class Augmented:
    """The batches of an epoch, x [R, B, channels, H, W], with every image moved.

    The draws depend on seed and epoch alone, like the order. `scaling` is the mean and the scale that standardized the
    pixels: images are moved in their original pixel values.
    """

    def __init__(self, batches: TrainBatches, augmentation: Augmentation, scaling: tuple[Tensor, Tensor] | None = None):
        self.batches, self.augmentation, self.scaling = batches, augmentation, scaling

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        epoch, device = self.batches.epoch(), self.batches.x.device
        shape = len(self), self.batches.batch_size, NUM_DRAWS
        streams = [generator(seed, "augment", epoch) for seed in self.batches.seeds]
        draws = torch.stack([torch.rand(shape, generator=g) for g in streams], 1).to(device)
        mean, scale = (v.to(device) for v in self.scaling) if self.scaling else (0.0, 1.0)
        for (x, *others), u in zip(self.batches, draws, strict=True):
            pixels = x * scale + mean if self.scaling else x
            moved = self.augmentation(pixels.flatten(0, 1), u.flatten(0, 1)).view_as(x)
            yield ((moved - mean) / scale if self.scaling else moved, *others)
