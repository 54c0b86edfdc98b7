"""TemporalConv: residual blocks of causal dilated convolutions (Bai et al. 2018)."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from dnnx.basics.errors import require, require_layers
from dnnx.nets.layers.dropout import ChannelDropout, check_share
from dnnx.nets.layers.recurrent import steps_and_features


class Block(nn.Module):
    """Two causal convolutions of the same dilation with ReLU and dropout, added to their input: [B, C, T]."""

    def __init__(self, num_inputs: int, channels: int, kernel: int, dilation: int, dropout: float):
        super().__init__()
        layers: list[nn.Module] = []
        for width in (num_inputs, channels):
            layers.append(nn.ConstantPad1d(((kernel - 1) * dilation, 0), 0.0))
            layers += [nn.Conv1d(width, channels, kernel, dilation=dilation), nn.ReLU()]
            layers += [ChannelDropout(dropout)] if dropout else []
        self.layers = nn.Sequential(*layers)
        self.skip = nn.Conv1d(num_inputs, channels, 1) if num_inputs != channels else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.layers(x) + self.skip(x))


class TemporalConv(nn.Module):
    """A temporal convolutional network: blocks of dilation 1, 2, 4, ..., and a linear layer on the last step.

    With `blocks` blocks the last step sees 1 + 2 (kernel - 1) (2^blocks - 1) steps.

    Example: `TemporalConv((120, 14), 1, channels=16, kernel=3, blocks=5)` sees 125 steps.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        channels: int = 16,
        kernel: int = 3,
        blocks: int = 5,
        dropout: float = 0.0,
    ):
        super().__init__()
        _, features = steps_and_features(in_shape, "temporal_conv")
        require_layers("net.blocks", blocks)
        for name, number in (("channels", channels), ("kernel", kernel)):
            require(type(number) is int and number >= 1, f"net.{name}", number, "a whole number of at least 1")
        check_share("net.dropout", dropout)
        widths = [features, *[channels] * blocks]
        self.blocks = nn.Sequential(*(Block(widths[i], widths[i + 1], kernel, 2**i, dropout) for i in range(blocks)))
        self.output = nn.Linear(channels, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs [B, num_outputs] of x [B, T, F]."""
        return self.output(self.blocks(x.transpose(-1, -2))[..., -1])
