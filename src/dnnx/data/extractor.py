"""Extractor: the lower part of one frozen network, from images to features."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnnx.nets.efficientnet_lite import NUM_UNITS, Scale, imagenet, load_units, make_units

PART = 32  # images at once; their feature maps fit a processor's caches
NOISE = 4, 8, 16, 32, 64, 128  # pixels across, from coarse to fine: together they are as smooth as photos


class Extractor:
    """The `stop` lowest units of one frozen network, in evaluation mode.

    Random weights come with the batch statistics of smooth noise: without any the features of all images are alike.
    """

    def __init__(self, stop: int, pretrained: bool):
        last = [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if stop == NUM_UNITS else []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            units = nn.ModuleDict({str(i): unit for i, unit in enumerate(make_units()[:stop])})
            self.net = nn.Sequential(Scale(), *units.values(), *last)
            if pretrained:
                load_units(units, imagenet())
            else:
                see(self.net, smooth_noise())
        self.net.eval()
        self.told = f"{stop} of {NUM_UNITS} units of EfficientNet-Lite0, {'pretrained' if pretrained else 'random'}"

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Return the features of images [N, 3, H, W] in [0, 1]."""
        return torch.cat([self.net(part) for part in x.split(PART)])


@lru_cache(maxsize=1)
def extractor(stop: int, pretrained: bool) -> Extractor:
    """Return an extractor, the same for all files of a folder: to make one takes longer than an image."""
    return Extractor(stop, pretrained)


def smooth_noise() -> Tensor:
    """Return images [PART, 3, H, W] in [0, 1], drawn from the global random stream."""
    parts = [F.interpolate(torch.rand(PART, 3, size, size), NOISE[-1], mode="bilinear") for size in NOISE]
    return torch.stack(parts).mean(0)


@torch.no_grad()
def see(net: nn.Module, images: Tensor) -> None:
    """Let every batch norm of a network have the statistics of these images."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the average of what it saw
    net.train()(images)
