"""ResNet (He et al. 2016): residual blocks, ResNet-18 and small ones for images of 28 to 32 pixels."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from dnnx.basics.errors import choose, require
from dnnx.nets.layers.convolution import Classifier, ConvBlock, map_shape, scaled
from dnnx.nets.layers.initializers import initialize


class Residual(nn.Module):
    """Two 3 x 3 convolutions with batch norm, added to their input; a 1 x 1 convolution fits it where needed."""

    def __init__(self, below: int, above: int, stride: int, bias: bool):
        super().__init__()
        self.conv1 = ConvBlock(below, above, 3, stride=stride, padding=1, norm="batch", bias=bias)
        self.conv2 = ConvBlock(above, above, 3, padding=1, norm="batch", activation=None, bias=bias)
        fits = stride == 1 and below == above
        self.shortcut = nn.Identity() if fits else nn.Conv2d(below, above, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, above, H / stride, W / stride] from [B, below, H, W]."""
        return F.relu(self.conv2(self.conv1(x)) + self.shortcut(x))


class ResNet(nn.Module):
    """A stem, stages of residual blocks, global average pooling and one linear layer.

    The first block of every stage but the first halves the sides. ResNet-18 is `channels=[64,128,256,512]`, two blocks
    each and `stem="large"`; with `bias=True` it has the 11,178,378 parameters of "Dive into Deep Learning" (one
    channel, ten classes). ResNet-20 is `channels=[16,32,64]`, three blocks each and `stem="small"`.
    """

    batched_layers = True
    usual_shape = (1, 96, 96)  # of one example, for dnnx cost

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        channels: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (2, 2, 2, 2),  # residual blocks of each stage
        stem: str = "large",  # 7 x 7 with stride 2 and pooling; or small: 3 x 3
        width: float = 1.0,  # factor of the channels
        bias: bool = False,  # of convolutions below batch norm, which cancels it
        init: str = "he_normal",
    ):
        super().__init__()
        valid = len(channels) == len(blocks) > 0 and min(blocks) >= 1
        require(valid, "net.blocks", blocks, f"a number of blocks for each of the {len(channels)} net.channels")
        widths = [scaled(own, width) for own in channels]
        self.stem = choose("net.stem", stem, STEMS)(in_shape[0], widths[0], bias)
        self.stages, below = nn.Sequential(), widths[0]
        for stage, (own, num) in enumerate(zip(widths, blocks, strict=True)):
            for place in range(num):
                self.stages.append(Residual(below, own, 2 if stage > 0 and place == 0 else 1, bias))
                below = own
        self.pool = nn.AdaptiveAvgPool2d(1)
        map_shape(nn.Sequential(self.stem, self.stages), in_shape)  # a check
        self.head = Classifier((below, 1, 1), [], num_outputs)
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: [B, C, H, W] -> [B, num_outputs]."""
        return self.head(self.pool(self.stages(self.stem(x))))


def large_stem(channels: int, width: int, bias: bool) -> nn.Module:
    conv = ConvBlock(channels, width, 7, stride=2, padding=3, norm="batch", bias=bias)
    return nn.Sequential(conv, nn.MaxPool2d(3, 2, padding=1))


def small_stem(channels: int, width: int, bias: bool) -> nn.Module:
    return nn.Sequential(ConvBlock(channels, width, 3, padding=1, norm="batch", bias=bias))


STEMS = {"large": large_stem, "small": small_stem}
