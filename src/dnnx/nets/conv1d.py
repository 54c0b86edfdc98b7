"""Conv1d: convolutions and pooling along the steps of a sequence."""

from collections.abc import Sequence

from torch import Tensor, nn

from dnnx.basics.errors import choose, require
from dnnx.nets.layers.recurrent import steps_and_features

ENDS = ("average", "last")


class Conv1d(nn.Module):
    """Convolutions along time with ReLU, a maximum of each `pool` steps after all but the last, and a linear layer.

    Args:
        kernels: steps that each convolution sees; its stride is 1.
        causal: pad with zeros before the first step, so that no output depends on a later step.
        end: `average` over the steps that are left, which forgets their order, or the `last` one.

    Example: `Conv1d((120, 14), 1)` has 3,873 parameters (Chollet 2021, section 10.2).
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        channels: Sequence[int] = (8, 8, 8),
        kernels: Sequence[int] = (24, 12, 6),
        pool: int = 2,
        causal: bool = False,
        end: str = "average",
    ):
        super().__init__()
        steps, features = steps_and_features(in_shape, "conv1d")
        told = "as many kernels as channels, for example net.channels=[8,8] net.kernels=[24,12]"
        require(len(channels) == len(kernels) > 0, "net.kernels", list(kernels), told)
        self.end = choose("net.end", end, dict(zip(ENDS, ENDS, strict=True)))
        layers: list[nn.Module] = []
        widths = [features, *channels]
        for place, kernel in enumerate(kernels):
            told = f"{steps} steps are left for it; type smaller kernels, or net.causal=true"
            require(causal or kernel <= steps, "net.kernels", list(kernels), told)
            if causal:
                layers.append(nn.ConstantPad1d((kernel - 1, 0), 0.0))
            layers += [nn.Conv1d(widths[place], widths[place + 1], kernel), nn.ReLU()]
            steps = steps if causal else steps - kernel + 1
            if place < len(kernels) - 1 and pool > 1:
                layers.append(nn.MaxPool1d(pool))
                steps //= pool
        self.layers = nn.Sequential(*layers)
        self.output = nn.Linear(widths[-1], num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs [B, num_outputs] of x [B, T, F]."""
        x = self.layers(x.transpose(-1, -2))
        return self.output(x.mean(-1) if self.end == "average" else x[..., -1])
