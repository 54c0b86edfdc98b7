"""Autoencoder: R networks that learn to reconstruct images, and from that what may help to classify them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.errors import require
from dnnx.modules.classifier import Classifier
from dnnx.nets.autoencoder import AutoencoderNet

NUM_SAMPLES = 20  # test images for the figure of reconstructions


class Autoencoder(Classifier):
    """Learns from the images of batches (x [R, B, features], y) to make x of x, all layers at once; y is not looked at.

    The loss is the mean squared error over the pixels of an image, and what `forward` gives: no other number of the
    reconstructions is ever needed.
    """

    curves = ("loss",)

    def __init__(self, in_features: int, num_classes: int, net: Mapping[str, Any], *args: Any, **factories: Any):
        super().__init__(in_features, num_classes, net, *args, **factories)
        smoothing = self.label_smoothing
        require(smoothing == 0, "module.label_smoothing", smoothing, "0: an autoencoder learns from no labels")

    def build_net(self, in_features: int, num_classes: int, net: Mapping[str, Any]) -> nn.Module:
        return AutoencoderNet(in_features, net)

    def forward(self, x: Tensor, **kwargs: Any) -> Any:
        """Mean squared errors [R, B] of the images of each replica [R, B, features], or of all [B, features]."""
        out = self.replicas(x, shared=x.dim() == 2, **kwargs)
        made, *activations = out if isinstance(out, tuple) else (out,)
        errors = (made - x).square().mean(-1)
        return (errors, *activations) if activations else errors

    def losses(self, errors: Tensor, y: Tensor) -> Tensor:
        return errors

    def add(self, sums: Tensor, errors: Tensor, y: Tensor, loss: Tensor) -> None:
        sums[0] += loss.sum(-1)
        sums[1] += loss.shape[-1]

    def metrics(self, errors: Tensor, y: Tensor) -> dict[str, Any]:
        return {"loss": errors.double().mean().item()}

    @torch.no_grad()
    def exhibits(self, data: Any) -> dict[str, Tensor]:
        """The first test images and what the first replica makes of them, as pixels [K, H, W, channels]."""
        index = torch.arange(min(NUM_SAMPLES, data.sizes["test"]))
        made = self.replicas(data.splits["test"][0][index], shared=True)[0]
        if data.scaling:
            mean, scale = (values.to(made.device) for values in data.scaling)
            made = made * scale + mean
        pixels = (made * 255).round().clamp(0, 255).to(torch.uint8).view(-1, *data.in_shape)
        return {"sample_images": data.test_pictures(index), "reconstructions": pixels.permute(0, 2, 3, 1)}
