"""Convolution and pooling of R networks at once, with replicas as groups of channels, [B, R * C, ...]."""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dnnx.training.batched_layers import Batched, fold, unfold


class BatchedConv(Batched):
    """One grouped convolution; the replicas' weights [R, out, in, ...] are concatenated.

    On a CPU images have the channels last in memory, which halves the time of a grouped convolution of small images.
    """

    function: ClassVar[Any]

    def of_all(self: Any, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.flatten()
        out = self.function(laid_out(fold(x)), self.weight.flatten(0, 1), bias, **self.settings(len(x)))
        return unfold(out, len(x))

    def settings(self: Any, num: int) -> dict[str, Any]:
        return {
            "stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": num * self.groups,
        }  # fmt: skip


class BatchedConv1d(BatchedConv, nn.Conv1d):
    function = staticmethod(F.conv1d)


class BatchedConv2d(BatchedConv, nn.Conv2d):
    function = staticmethod(F.conv2d)


class BatchedConvTranspose(BatchedConv):
    def settings(self: Any, num: int) -> dict[str, Any]:
        return super().settings(num) | {"output_padding": self.output_padding}


class BatchedConvTranspose1d(BatchedConvTranspose, nn.ConvTranspose1d):  # type: ignore[misc]
    function = staticmethod(F.conv_transpose1d)


class BatchedConvTranspose2d(BatchedConvTranspose, nn.ConvTranspose2d):  # type: ignore[misc]
    function = staticmethod(F.conv_transpose2d)


class ByChannel(Batched):
    """A layer without state that processes each channel independently, such as pooling."""

    def of_all(self, x: Tensor) -> Tensor:
        return unfold(super(Batched, self).forward(fold(x)), len(x))  # type: ignore[misc]


def laid_out(x: Tensor) -> Tensor:
    """Return images [B, C, H, W] in the memory order that is fastest for a grouped convolution."""
    if x.dim() == 4 and x.device.type == "cpu":
        return x.contiguous(memory_format=torch.channels_last)
    return x
