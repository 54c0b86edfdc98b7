"""LeNet (LeCun et al. 1998): two convolutions, two hidden layers; with sigmoid, or with ReLU and batch norm."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dnnx.nets.layers.convolution import Classifier, ConvBlock, check_norm, map_shape
from dnnx.nets.layers.initializers import initialize


class LeNet(nn.Module):
    """The LeNet-5 of "Dive into Deep Learning", with a softmax in place of Gaussian units: 61,706 parameters.

    `activation="relu", norm="batch"` is its modern form: batch norm after each layer below the output.
    """

    batched_layers = True  # forward only passes tensors through layers
    usual_shape = (1, 28, 28)  # of one example, for dnnx cost

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        activation: str = "logistic",
        norm: str | None = None,  # or "batch"
        norm_at: str = "before",  # or "after" the activation
        init: str = "glorot_uniform",
    ):
        super().__init__()
        check_norm(norm, norm_at)
        normed: dict[str, Any] = {"norm": norm, "norm_at": norm_at, "activation": activation}
        self.features = nn.Sequential(
            ConvBlock(in_shape[0], 6, 5, padding=2, **normed),
            nn.AvgPool2d(2),
            ConvBlock(6, 16, 5, **normed),
            nn.AvgPool2d(2),
        )
        shape = map_shape(self.features, in_shape)
        self.head = Classifier(shape, [120, 84], num_outputs, **normed)
        initialize(self, init)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: [B, C, H, W] -> [B, num_outputs]."""
        return self.head(self.features(x))
