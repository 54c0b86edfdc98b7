"""AutoencoderNet: a DenseNet makes a short code of an image, a second one makes the image of the code."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from dnnx.basics.errors import require
from dnnx.nets.dense import DenseNet

DROPOUTS = ("dropout", "input_dropout", "dropout_kind", "dropout_layers")


class AutoencoderNet(nn.Module):
    """`encoder` is the DenseNet of the arguments `net` without an output layer, `decoder` one that mirrors it and drops
    nothing (Hinton & Salakhutdinov 2006).

    With `input_dropout` it is a denoising autoencoder (Vincent et al. 2010): images are to be made of what is left of
    their pixels.
    """

    def __init__(self, in_features: int, net: Mapping[str, Any]):
        super().__init__()
        hidden = net["hidden"]
        self.encoder = DenseNet(in_features, out_features=None, **net)
        require(len(hidden) > 1, "net.hidden", hidden, "two widths or more, which the decoder mirrors")
        layers = {name: value for name, value in net.items() if name not in DROPOUTS} | {"hidden": hidden[-2::-1]}
        self.decoder = DenseNet(hidden[-1], out_features=in_features, **layers)

    def forward(self, x: Tensor, return_activations: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """[B, in_features] -> [B, in_features]; on request also the output of every hidden block by name."""
        code, of_encoder = self.encoder(x, return_activations=True)
        made, of_decoder = self.decoder(code, return_activations=True)
        if not return_activations:
            return made
        of_part = {"encoder": of_encoder, "decoder": of_decoder}
        return made, {f"{part}.{name}": value for part, of in of_part.items() for name, value in of.items()}
