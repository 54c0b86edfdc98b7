"""GoogLeNet (Szegedy et al. 2015): inception blocks, whose branches see several sizes at once."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from dnnx.nets.layers.convolution import Classifier, ConvBlock, check_norm, map_shape, scaled
from dnnx.nets.layers.initializers import initialize

Widths = tuple[int, tuple[int, int], tuple[int, int], int]  # channels of the four branches
POOL = None  # a place of max pooling between inception blocks
INCEPTIONS: tuple[Widths | None, ...] = (
    (64, (96, 128), (16, 32), 32),
    (128, (128, 192), (32, 96), 64),
    POOL,
    (192, (96, 208), (16, 48), 64),
    (160, (112, 224), (24, 64), 64),
    (128, (128, 256), (24, 64), 64),
    (112, (144, 288), (32, 64), 64),
    (256, (160, 320), (32, 128), 128),
    POOL,
    (256, (160, 320), (32, 128), 128),
    (384, (192, 384), (48, 128), 128),
)


class Inception(nn.Module):
    """Four branches side by side: 1 x 1, 3 x 3, 5 x 5 and pooling; their channels are concatenated."""

    def __init__(self, below: int, widths: Widths, width: float, norm: str | None):
        super().__init__()
        conv = partial(ConvBlock, norm=norm)
        one, (three_in, three), (five_in, five), pooled = _scaled(widths, width)
        self.branch1 = conv(below, one, 1)
        self.branch2 = nn.Sequential(conv(below, three_in, 1), conv(three_in, three, 3, padding=1))
        self.branch3 = nn.Sequential(conv(below, five_in, 1), conv(five_in, five, 5, padding=2))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), conv(below, pooled, 1))
        self.channels = one + three + five + pooled

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, channels, H, W] from [B, below, H, W]."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=-3)


class GoogLeNet(nn.Module):
    """Nine inception blocks under one linear layer: 5,977,530 parameters with one channel and ten classes.

    The two auxiliary outputs of the paper are left out. `width` scales all channels.
    """

    batched_layers = True  # the axis of channels counts from the end
    usual_shape = (1, 96, 96)  # of one example, for dnnx cost

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        width: float = 1.0,
        norm: str | None = None,  # or "batch", after each convolution
        init: str = "he_normal",
    ):
        super().__init__()
        check_norm(norm)
        conv, below = partial(ConvBlock, norm=norm), scaled(192, width)
        self.stem = nn.Sequential(
            conv(in_shape[0], scaled(64, width), 7, stride=2, padding=3), nn.MaxPool2d(3, 2, padding=1),
            conv(scaled(64, width), scaled(64, width), 1),
            conv(scaled(64, width), below, 3, padding=1), nn.MaxPool2d(3, 2, padding=1),
        )  # fmt: skip
        self.blocks = nn.Sequential()
        for widths in INCEPTIONS:
            if widths is POOL:
                self.blocks.append(nn.MaxPool2d(3, 2, padding=1))
            else:
                block = Inception(below, widths, width, norm)
                self.blocks.append(block)
                below = block.channels
        self.pool = nn.AdaptiveAvgPool2d(1)
        map_shape(nn.Sequential(self.stem, self.blocks), in_shape)  # a check
        self.head = Classifier((below, 1, 1), [], num_outputs)
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: [B, C, H, W] -> [B, num_outputs]."""
        return self.head(self.pool(self.blocks(self.stem(x))))


def _scaled(widths: Widths, factor: float) -> Widths:
    one, three, five, pooled = widths
    scale = partial(scaled, factor=factor)
    return scale(one), (scale(three[0]), scale(three[1])), (scale(five[0]), scale(five[1])), scale(pooled)
