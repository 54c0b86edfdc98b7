"""AutoencoderNet: a DenseNet makes a short code of an image, a second one makes the image of the code."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dnnx.errors import require
from dnnx.nets.dense import DenseNet


class AutoencoderNet(nn.Module):
    """`encoder` is a DenseNet without an output layer, `decoder` one that mirrors it (Hinton & Salakhutdinov 2006).

    With `input_dropout` it is a denoising autoencoder (Vincent et al. 2010): images are to be made of what is left of
    their pixels.
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int],
        activation: str = "elu",
        init: str = "he_normal",
        norm: str | None = None,
        input_dropout: float = 0.0,
    ):
        super().__init__()
        layers: dict[str, Any] = {"activation": activation, "init": init, "norm": norm}
        self.encoder = DenseNet(in_features, hidden, None, input_dropout=input_dropout, **layers)
        require(len(hidden) > 1, "net.hidden", hidden, "two widths or more, which the decoder mirrors")
        self.decoder = DenseNet(hidden[-1], hidden[-2::-1], in_features, **layers)

    def forward(self, x: Tensor, return_activations: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """[B, in_features] -> [B, in_features]; on request also the output of every hidden block by name."""
        code, of_encoder = self.encoder(x, return_activations=True)
        made, of_decoder = self.decoder(code, return_activations=True)
        if not return_activations:
            return made
        of_part = {"encoder": of_encoder, "decoder": of_decoder}
        return made, {f"{part}.{name}": value for part, of in of_part.items() for name, value in of.items()}
