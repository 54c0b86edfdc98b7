"""ConvNet: blocks of 3 x 3 convolutions, each with max pooling and dropout, under a dense classifier."""

from collections.abc import Sequence

from torch import Tensor, nn

from dnnx.basics.errors import choose, require_layers
from dnnx.nets.layers.convolution import Classifier, ConvBlock, check_norm, map_shape, scaled
from dnnx.nets.layers.dropout import check_share
from dnnx.nets.layers.initializers import initialize


class ConvNet(nn.Module):
    """A plain convolutional network.

    With the defaults it is VGG-like: three times two convolutions, pooling and dropout of 0.25, then 128 units with
    dropout of 0.5. Other nets of this form: one convolution in each block, `same=False` for convolutions without
    padding, `pool="between"` for no pooling after the last block.
    """

    batched_layers = True
    usual_shape = (3, 32, 32)  # of one example, for dnnx cost

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        channels: Sequence[int] = (32, 64, 128),  # of each block
        convolutions: int = 2,  # of each block
        width: float = 1.0,  # factor of the channels
        same: bool = True,  # pad, so that convolutions keep the size
        pool: str = "all",  # blocks with pooling: all, between (all but the last) or none
        hidden: Sequence[int] = (128,),
        norm: str | None = None,  # or "batch", after each layer below the output
        dropout: float = 0.25,  # after each block
        dense_dropout: float = 0.5,  # of the hidden layers; without any, of the flattened feature maps
        init: str = "he_normal",
    ):
        super().__init__()
        check_norm(norm)
        check_share("net.dropout", dropout)
        check_share("net.dense_dropout", dense_dropout)
        require_layers("net.convolutions", convolutions)
        pooled = {"all": len(channels), "between": len(channels) - 1, "none": 0}
        num_pooled = choose("net.pool", pool, pooled)
        layers: list[nn.Module] = []
        below = in_shape[0]
        for block, own in enumerate(channels):
            for _ in range(convolutions):
                layers.append(ConvBlock(below, scaled(own, width), 3, padding=int(same), norm=norm))
                below = scaled(own, width)
            layers += [nn.MaxPool2d(2)] * (block < num_pooled) + [nn.Dropout(dropout)] * (dropout > 0)
        self.features = nn.Sequential(*layers)
        shape = map_shape(self.features, in_shape)
        self.dropout = nn.Dropout(dense_dropout) if dense_dropout and not hidden else nn.Identity()
        self.head = Classifier(shape, hidden, num_outputs, norm=norm, dropout=dense_dropout)
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: [B, C, H, W] -> [B, num_outputs]."""
        return self.head(self.dropout(self.features(x)))
