"""EncoderDecoder: segmentation by strided convolutions down and transposed convolutions up, without skips."""

from collections.abc import Sequence

from torch import Tensor, nn

from dnnx.nets.layers.convolution import ConvBlock, check_norm, map_shape, scaled
from dnnx.nets.layers.initializers import initialize
from dnnx.nets.layers.sides import check_sides


class Up(nn.Sequential):
    """A transposed 3 x 3 convolution with stride 1 or 2, batch norm if asked for, and ReLU."""

    def __init__(self, below: int, above: int, stride: int, norm: str | None):
        super().__init__()
        self.conv = nn.ConvTranspose2d(
            below, above, 3, stride, padding=1, output_padding=stride - 1, bias=norm is None
        )  # fmt: skip
        if norm is not None:
            self.norm = nn.BatchNorm2d(above)
        self.activation = nn.ReLU()


class EncoderDecoder(nn.Module):
    """The segmentation net of "Deep Learning with Python" (Chollet): 2,880,643 parameters for three classes.

    Each of `channels` halves the sides on the way down and doubles them on the way up.
    """

    batched_layers = True
    usual_shape = (3, 96, 96)  # of one example, for dnnx cost

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,  # classes of a pixel
        channels: Sequence[int] = (64, 128, 256),
        width: float = 1.0,  # factor of the channels
        norm: str | None = None,  # or "batch"
        init: str = "he_normal",
    ):
        super().__init__()
        check_norm(norm)
        check_sides(in_shape, 2 ** len(channels))
        widths = [scaled(own, width) for own in channels]
        self.down, self.up, below = nn.Sequential(), nn.Sequential(), in_shape[0]
        for own in widths:
            self.down.append(ConvBlock(below, own, 3, stride=2, padding=1, norm=norm))
            self.down.append(ConvBlock(own, own, 3, padding=1, norm=norm))
            below = own
        for own in reversed(widths):
            self.up.append(Up(below, own, 1, norm))
            self.up.append(Up(own, own, 2, norm))
            below = own
        self.output = nn.Conv2d(below, num_outputs, 3, padding=1)
        map_shape(nn.Sequential(self.down, self.up), in_shape)  # a check
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of each pixel: [B, C, H, W] -> [B, num_outputs, H, W]."""
        return self.output(self.up(self.down(x)))
