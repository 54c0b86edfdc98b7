"""Augmentation: move, zoom and flip training images and change their light, differently in every epoch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dnnx.basics.errors import UserError, is_number, require
from dnnx.basics.seeding import generator
from dnnx.data.loaders import TrainBatches

NUM_DRAWS = 4  # uniform numbers per image: angle, shift across, shift down, flip
NUM_MORE = 3  # further ones, from a stream of their own: zoom, brightness, contrast
UNITS = {"shift": "pixels", "rotation": "degrees, at most 180"}  # of the others: a share


@dataclass(frozen=True)
class Augmentation:
    """The settings data.augment of conf/. False if no image would change.

    `shift` moves by up to so many pixels and repeats the border: a random crop of a padded image. `zoom` scales by a
    factor in [1 - zoom, 1 + zoom]. `brightness` adds up to that share of white or black. `contrast` scales the
    distances to the image's mean by a factor in [1 - contrast, 1 + contrast]. Masks [H, W] move with their images.
    """

    shift: float = 0
    rotation: float = 0
    flip: bool = False
    zoom: float = 0
    brightness: float = 0
    contrast: float = 0

    def __post_init__(self) -> None:
        for name, most in {"shift": math.inf, "rotation": 180, "zoom": 0.9, "brightness": 1, "contrast": 1}.items():
            value = getattr(self, name)
            valid = is_number(value) and 0 <= value <= most and value < math.inf
            told = f"a number of {UNITS[name]}, at least 0" if name in UNITS else f"a share from 0 to {most:g}"
            example = 2 if name in UNITS else 0.2
            require(valid, f"data.augment.{name}", value, f"{told}, for example data.augment.{name}={example}")
        require(isinstance(self.flip, bool), "data.augment.flip", self.flip, "true or false")

    def __bool__(self) -> bool:
        return self.shift > 0 or self.rotation > 0 or self.flip or self.has_more

    @property
    def has_more(self) -> bool:
        """Return whether an effect needs the further random numbers."""
        return self.zoom > 0 or self.brightness > 0 or self.contrast > 0

    def check_pixels(self, x: Tensor) -> None:
        """Raise UserError if the light of images [N, channels, H, W] should change and a pixel is not in [0, 1]."""
        names = [name for name in ("brightness", "contrast") if getattr(self, name)]
        if names and x.dtype != torch.uint8 and (x.min() < 0 or x.max() > 1):
            told = f"pixels are from {x.min():g} to {x.max():g}, and a change of light needs them in [0, 1]"
            typed = " ".join(f"data.augment.{name}=0" for name in names)
            raise UserError(f"data.augment.{names[0]}={getattr(self, names[0])}: {told}; scale them, or type {typed}")

    def sources(self, u: Tensor, height: int, width: int, more: Tensor | None = None) -> Tensor:
        """Return affine maps [N, 2, 3] for `affine_grid`, from uniform numbers [N, 4], and for zoom `more` [N, 3].

        A shift given as a whole number moves by whole pixels. Any other also moves by parts of pixels.
        """
        angle = torch.deg2rad(self.rotation * (2 * u[:, 0] - 1))
        whole, s = isinstance(self.shift, int), self.shift
        across, down = (((2 * s + 1) * u[:, 1:3]).floor() - s if whole else (2 * u[:, 1:3] - 1) * s).unbind(1)
        mirror = torch.where(u[:, 3] < 0.5, -1.0, 1.0) if self.flip else torch.ones_like(angle)
        cos, sin = angle.cos(), angle.sin()
        if self.zoom and more is not None:
            factor = 1 + self.zoom * (2 * more[:, 0] - 1)
            cos, sin = cos / factor, sin / factor
        x = torch.stack([mirror * cos, -sin * height / width, 2 * across / width], 1)
        y = torch.stack([mirror * sin * width / height, cos, 2 * down / height], 1)
        return torch.stack([x, y], 1)

    def __call__(self, x: Tensor, u: Tensor, more: Tensor | None = None) -> Tensor:
        """Return images [N, channels, H, W] moved by uniform numbers [N, 4], with the light of `more` [N, 3].

        Border pixels are repeated outwards. Only a change of light needs pixels in [0, 1].
        """
        moved = self.moved(x, u, more, "bilinear")
        if more is None or not (self.brightness or self.contrast):
            return moved
        added, factor = (2 * more[:, 1:].T[..., None, None, None] - 1).unbind(0)
        mean = moved.mean((1, 2, 3), keepdim=True)
        return ((moved - mean) * (1 + self.contrast * factor) + mean + self.brightness * added).clamp(0, 1)

    def moved(self, x: Tensor, u: Tensor, more: Tensor | None, mode: str) -> Tensor:
        """Return images [N, channels, H, W] moved; mode nearest keeps the numbers of a mask."""
        height, width = x.shape[-2:]
        grid = F.affine_grid(self.sources(u, height, width, more), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, mode=mode, padding_mode="border", align_corners=False)


class Augmented:
    """The batches of an epoch, x [R, B, channels, H, W], with every image moved, and its mask y [R, B, H, W] if it has
    one.

    The draws depend on seed and epoch alone, like the order. `scaling` is the mean and the scale that standardized the
    pixels: images are moved in their original pixel values.
    """

    def __init__(self, batches: TrainBatches, augmentation: Augmentation, scaling: tuple[Tensor, Tensor] | None = None):
        self.batches, self.augmentation, self.scaling = batches, augmentation, scaling

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        draws = self._draws("augment", NUM_DRAWS)
        more = self._draws("light", NUM_MORE) if self.augmentation.has_more else [None] * len(self)
        mean, scale = (v.to(self.batches.x.device) for v in self.scaling) if self.scaling else (0.0, 1.0)
        for (x, y, *others), u, v in zip(self.batches, draws, more, strict=True):
            u, v = u.flatten(0, 1), None if v is None else v.flatten(0, 1)
            pixels = x * scale + mean if self.scaling else x
            moved = self.augmentation(pixels.flatten(0, 1), u, v).view_as(x)
            if y.shape[2:] == x.shape[-2:]:
                masks = y.flatten(0, 1)[:, None].float()
                y = self.augmentation.moved(masks, u, v, "nearest").view_as(y).to(y.dtype)
            yield ((moved - mean) / scale if self.scaling else moved, y, *others)

    def _draws(self, purpose: str, num: int) -> Tensor:
        """Return uniform numbers [batches, R, B, num] of this epoch, each seed's from its own stream."""
        shape = len(self), self.batches.batch_size, num
        streams = [generator(seed, purpose, self.batches.epoch()) for seed in self.batches.seeds]
        return torch.stack([torch.rand(shape, generator=g) for g in streams], 1).to(self.batches.x.device)
