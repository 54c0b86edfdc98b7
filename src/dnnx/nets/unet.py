"""UNet (Ronneberger et al. 2015): segmentation with skips from every resolution of the encoder to the decoder."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dnnx.nets.layers.convolution import ConvBlock, check_norm, scaled
from dnnx.nets.layers.dropout import check_share
from dnnx.nets.layers.initializers import initialize
from dnnx.nets.layers.sides import check_sides


class Twice(nn.Sequential):
    """Two 3 x 3 convolutions with norm and ReLU that keep the size."""

    def __init__(self, below: int, above: int, norm: str | None):
        super().__init__(
            ConvBlock(below, above, 3, padding=1, norm=norm), ConvBlock(above, above, 3, padding=1, norm=norm)
        )


class UNet(nn.Module):
    """A U-Net with padded convolutions: outputs have the size of the images.

    `channels` are those of each resolution, from the full one down; each but the first halves the sides. Dropout is
    that of the lowest resolution.
    """

    batched_layers = True  # the axis of channels counts from the end
    usual_shape = (3, 96, 96)  # of one example, for dnnx cost

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,  # classes of a pixel
        channels: Sequence[int] = (32, 64, 128, 256),
        width: float = 1.0,  # factor of the channels
        norm: str | None = "batch",
        dropout: float = 0.0,
        init: str = "he_normal",
    ):
        super().__init__()
        check_norm(norm)
        check_share("net.dropout", dropout)
        check_sides(in_shape, 2 ** (len(channels) - 1))
        first, *deeper = (scaled(own, width) for own in channels)
        self.first, self.pool = Twice(in_shape[0], first, norm), nn.MaxPool2d(2)
        self.down, self.grow, self.up, below = nn.ModuleList(), nn.ModuleList(), nn.ModuleList(), first
        for own in deeper:
            self.down.append(Twice(below, own, norm))
            self.grow.insert(0, nn.ConvTranspose2d(own, below, 2, stride=2))
            self.up.insert(0, Twice(2 * below, below, norm))
            below = own
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.output = nn.Conv2d(first, num_outputs, 1)
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of each pixel: [B, C, H, W] -> [B, num_outputs, H, W]."""
        maps = [self.first(x)]
        for down in self.down:
            maps.append(down(self.pool(maps[-1])))
        x = self.dropout(maps.pop())
        for grow, up in zip(self.grow, self.up, strict=True):
            x = up(torch.cat([maps.pop(), grow(x)], dim=-3))
        return self.output(x)
