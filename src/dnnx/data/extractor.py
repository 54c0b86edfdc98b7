"""Extractor: the lower part of one frozen network, from images to features."""

import torch
from torch import Tensor, nn

from dnnx.nets.efficientnet_lite import NUM_UNITS, Scale, imagenet, load_units, make_units

PART = 32  # images at once; their feature maps fit a processor's caches


class Extractor:
    """The `stop` lowest units of one frozen network, in evaluation mode."""

    def __init__(self, stop: int, pretrained: bool):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            units, scale = nn.ModuleDict({str(i): unit for i, unit in enumerate(make_units()[:stop])}), Scale()
        if pretrained:
            load_units(units, imagenet())
        last = [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if stop == NUM_UNITS else []
        self.net = nn.Sequential(scale, *units.values(), *last).eval()
        self.told = f"{stop} of {NUM_UNITS} units of EfficientNet-Lite0, {'pretrained' if pretrained else 'random'}"

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Return the features of images [N, 3, H, W] in [0, 1]."""
        return torch.cat([self.net(part) for part in x.split(PART)])
