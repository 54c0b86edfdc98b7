"""VGG (Simonyan & Zisserman 2015): blocks of 3 x 3 convolutions, each followed by max pooling."""

from collections.abc import Sequence

from torch import Tensor, nn

from dnnx.basics.errors import require
from dnnx.nets.layers.convolution import Classifier, ConvBlock, check_norm, map_shape, scaled
from dnnx.nets.layers.dropout import check_share
from dnnx.nets.layers.initializers import initialize

VGG11 = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))  # convolutions and channels of each block


class VGG(nn.Module):
    """VGG-11 by default: 128,806,154 parameters with one channel of 224 pixels and ten classes.

    `width` scales the channels alone, as "Dive into Deep Learning" does: 43.1 million at a quarter.
    """

    batched_layers = True
    usual_shape = (1, 224, 224)  # of one example, for dnnx cost

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        blocks: Sequence[Sequence[int]] = VGG11,
        width: float = 1.0,
        hidden: Sequence[int] = (4096, 4096),
        dropout: float = 0.5,  # of the hidden layers
        norm: str | None = None,  # or "batch", after each convolution
        init: str = "he_normal",
    ):
        super().__init__()
        check_norm(norm)
        check_share("net.dropout", dropout)
        valid = len(blocks) > 0 and all(len(block) == 2 and min(block) >= 1 for block in blocks)
        require(valid, "net.blocks", blocks, "pairs of convolutions and channels, such as net.blocks=[[1,16],[2,32]]")
        layers: list[nn.Module] = []
        below = in_shape[0]
        for num, channels in blocks:
            for _ in range(num):
                layers.append(ConvBlock(below, scaled(channels, width), 3, padding=1, norm=norm))
                below = scaled(channels, width)
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.head = Classifier(map_shape(self.features, in_shape), hidden, num_outputs, dropout=dropout)
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: [B, C, H, W] -> [B, num_outputs]."""
        return self.head(self.features(x))
