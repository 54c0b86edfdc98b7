"""Playground: the four patterns of two classes in the plane that TensorFlow Playground shows."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dnnx.basics.errors import choose, is_number, require
from dnnx.basics.seeding import generator
from dnnx.data.arrays import ArrayData, Arrays
from dnnx.data.splitting import PARTS

Points = tuple[Tensor, Tensor]  # x [n, 2], y [n]
RADIUS = 5.0


def _uniform(n: int, low: float, high: float, g: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=g)


def circle(n: int, noise: float, g: torch.Generator) -> Points:
    """Return a disc (class 1) inside a ring; noise moves points across the border of their label."""
    inner = torch.arange(n) < n // 2
    r = torch.where(inner, _uniform(n, 0, RADIUS / 2, g), _uniform(n, 0.7 * RADIUS, RADIUS, g))
    angle = _uniform(n, 0, 2 * math.pi, g)
    x = torch.stack([r * angle.sin(), r * angle.cos()], 1)
    moved = x + noise * _uniform(2 * n, -RADIUS, RADIUS, g).view(n, 2)
    return x, (moved.norm(dim=1) < RADIUS / 2).long()


def xor(n: int, noise: float, g: torch.Generator) -> Points:
    """Return four squares; class 1 where both features have the same sign, up to noise."""
    x = _uniform(2 * n, -RADIUS, RADIUS, g).view(n, 2)
    x = x + torch.where(x > 0, 0.3, -0.3)
    moved = x + noise * _uniform(2 * n, -RADIUS, RADIUS, g).view(n, 2)
    return x, (moved.prod(1) >= 0).long()


def gauss(n: int, noise: float, g: torch.Generator) -> Points:
    """Return two normal clouds around (2, 2) (class 1) and (-2, -2), of variance 0.5 to 4."""
    y = (torch.arange(n) < n // 2).long()
    spread = math.sqrt(0.5 + 7 * noise)
    return 2.0 * (2 * y[:, None] - 1) + spread * torch.randn(n, 2, generator=g), y


def spiral(n: int, noise: float, g: torch.Generator) -> Points:
    """Return two arms of a spiral."""
    half = n // 2
    y = (torch.arange(n) < half).long()
    share = torch.cat([torch.arange(half) / half, torch.arange(n - half) / (n - half)])
    r, t = RADIUS * share, 1.75 * 2 * math.pi * share + math.pi * (1 - y)
    return torch.stack([r * t.sin(), r * t.cos()], 1) + noise * _uniform(2 * n, -1, 1, g).view(n, 2), y


PATTERNS: dict[str, Callable[[int, float, torch.Generator], Points]] = {
    "circle": circle, "xor": xor, "gauss": gauss, "spiral": spiral,
}  # fmt: skip


@dataclass(eq=False, repr=False, kw_only=True)
class Playground(ArrayData):
    """Points [n, 2] of a pattern, drawn by the formulas of TensorFlow Playground (its file dataset.ts).

    Training, validation and test points are drawn one after the other, `num` of each, by `order_seed` alone.

    Example: `Playground(seeds=[0], pattern="xor", noise=0.3)`.
    """

    pattern: str = "xor"
    noise: float = 0.0  # 0 to 0.5, as the slider 0 to 50
    num: int = 250  # points of each split
    batch_size: int = 10

    items: ClassVar[str] = "points"
    refused: ClassVar[tuple[str, ...]] = ("augment",)

    def read(self) -> Arrays:
        draw = choose("data.pattern", self.pattern, PATTERNS)
        valid = is_number(self.noise) and 0 <= self.noise <= 0.5
        require(valid, "data.noise", self.noise, "a number from 0 to 0.5, for example data.noise=0.3")
        valid = type(self.num) is int and self.num >= 10
        require(valid, "data.num", self.num, "a whole number of at least 10, the points of each split")
        g = generator(self.order_seed, "playground", self.pattern)
        splits = {part: draw(self.num, self.noise, g) for part in PARTS}
        note = f"playground's pattern {self.pattern}, noise {self.noise:g}, drawn by data.order_seed={self.order_seed}"
        return Arrays(splits, {"source": "playground", "note": note, "warning": "", "files": {}}, ["-1", "+1"])
