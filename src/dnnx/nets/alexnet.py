"""AlexNet (Krizhevsky et al. 2012) for images of 224 pixels, a simplified one, and one for images of 28 pixels."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dnnx.basics.errors import choose
from dnnx.nets.layers.convolution import Classifier, ConvBlock, check_norm, map_shape, scaled
from dnnx.nets.layers.dropout import check_share
from dnnx.nets.layers.initializers import initialize


class AlexNet(nn.Module):
    """Convolutions with max pooling, then two hidden layers with dropout, all with ReLU.

    `variant` chooses the layers. Parameters with one channel and ten classes: published 46,764,746, simple 7,592,458
    (both 224 pixels), small 3,259,914 (28 pixels). `width` scales all channels and hidden units.
    """

    batched_layers = True
    usual_shape = (1, 224, 224)  # of one example, for dnnx cost

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        variant: str = "published",  # or simple, small
        width: float = 1.0,
        dropout: float = 0.5,  # of the hidden layers
        norm: str | None = None,  # or "batch", after each convolution
        init: str = "he_normal",
    ):
        super().__init__()
        check_norm(norm)
        check_share("net.dropout", dropout)
        build, hidden = choose("net.variant", variant, VARIANTS)
        self.features = nn.Sequential(*build(in_shape[0], Maker(width, norm)))
        shape = map_shape(self.features, in_shape)
        self.head = Classifier(shape, [scaled(units, width) for units in hidden], num_outputs, dropout=dropout)
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: [B, C, H, W] -> [B, num_outputs]."""
        return self.head(self.features(x))


class Maker:
    """Make convolutions one after the other, each as wide as `width` times its channels."""

    def __init__(self, width: float, norm: str | None):
        self.width, self.norm, self.below = width, norm, 0

    def __call__(self, channels: int, kernel: int, below: int = 0, **settings: Any) -> nn.Module:
        made = ConvBlock(below or self.below, scaled(channels, self.width), kernel, norm=self.norm, **settings)
        self.below = scaled(channels, self.width)
        return made


def published(channels: int, conv: Maker) -> list[nn.Module]:
    return [
        conv(96, 11, channels, stride=4, padding=1), nn.MaxPool2d(3, 2),
        conv(256, 5, padding=2), nn.MaxPool2d(3, 2),
        conv(384, 3, padding=1),
        conv(384, 3, padding=1),
        conv(256, 3, padding=1), nn.MaxPool2d(3, 2),
    ]  # fmt: skip


def simple(channels: int, conv: Maker) -> list[nn.Module]:
    return [
        conv(64, 11, channels, stride=4, padding=1), nn.MaxPool2d(3, 2),
        conv(128, 5, padding=2), nn.MaxPool2d(3, 2),
        conv(256, 3, padding=1), nn.MaxPool2d(3, 2),
    ]  # fmt: skip


def small(channels: int, conv: Maker) -> list[nn.Module]:
    return [
        conv(64, 3, channels, padding=1), nn.MaxPool2d(2),
        conv(128, 3, padding=1), nn.MaxPool2d(2),
        conv(256, 3, padding=1), nn.MaxPool2d(2),
    ]  # fmt: skip


VARIANTS = {"published": (published, [4096, 4096]), "simple": (simple, [1024, 512]), "small": (small, [1024, 512])}
