"""Autoencoder: one DenseNet encodes an example into a short code, a second decodes the code."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dnnx.basics.errors import check_arguments, require
from dnnx.nets.dense import DenseNet, num_features
from dnnx.nets.dense_checks import DENSE_CHECKS

DROPOUTS = ("dropout", "input_dropout", "dropout_kind", "dropout_layers")


class Autoencoder(nn.Module):
    """An `encoder`, a DenseNet of these arguments without an output layer, and a `decoder` that mirrors it.

    The decoder has no dropout (Hinton & Salakhutdinov 2006). With `input_dropout` it is a denoising autoencoder
    (Vincent et al. 2010): it reconstructs examples from the features that remain.
    """

    checks = DENSE_CHECKS
    batched_layers = True

    def __init__(
        self, in_shape: int | Sequence[int], hidden: Sequence[int], num_outputs: int | None = None, **net: Any
    ):
        super().__init__()
        check_arguments("net", DenseNet, net)
        self.encoder = DenseNet(in_shape, hidden, None, **net)
        require(len(hidden) > 1, "net.hidden", hidden, "two widths or more, which the decoder mirrors")
        layers = {name: value for name, value in net.items() if name not in DROPOUTS}
        self.decoder = DenseNet(hidden[-1], [*hidden][-2::-1], num_features(in_shape), **layers)

    def in_order(self) -> list[nn.Module]:
        """Return the layers through which `forward` passes a batch."""
        return [*self.encoder.in_order(), *self.decoder.in_order()[1:]]

    def forward(self, x: Tensor, return_activations: bool = False) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Reconstruct [B, ...] -> [B, features]. `return_activations` adds the output of every hidden block by name."""
        code, of_encoder = self.encoder(x, return_activations=True)
        made, of_decoder = self.decoder(code, return_activations=True)
        if not return_activations:
            return made
        of_part = {"encoder": of_encoder, "decoder": of_decoder}
        return made, {f"{part}.{name}": value for part, of in of_part.items() for name, value in of.items()}
