"""Dropout whose masks are a function of the net's own key, so that a replica never depends on its neighbours."""

import torch
from torch import Tensor, nn


def random_bits(key: Tensor, call: Tensor, shape: torch.Size) -> Tensor:
    """Uniform int32 in [0, 2**31) of `shape`: a counter-based stream, equal on CPU and CUDA.

    Each position is mixed by the 32-bit hash "lowbias32" (Wellons 2018), once with the call number and
    once with the key.
    """
    position = torch.arange(shape.numel(), dtype=torch.int32, device=key.device).view(shape)
    return _mix(_mix(position ^ _mix(call)) ^ key) & 0x7FFFFFFF


def _mix(x: Tensor) -> Tensor:
    x = (x ^ (x >> 16 & 0xFFFF)) * 0x7FEB352D
    x = (x ^ (x >> 15 & 0x1FFFF)) * (0x846CA68B - 2**32)
    return x ^ (x >> 16 & 0xFFFF)


class Dropout(nn.Module):
    """Inverted dropout (Srivastava et al. 2014): zeroes a share `p` of the inputs while training.

    torch's own draws from one global stream, which replicas would share. Here the key is drawn when the
    net is initialized, and a counter moves on with every training step; both are saved with the net.
    """

    key: Tensor
    call: Tensor

    def __init__(self, p: float):
        super().__init__()
        self.p = p
        self.register_buffer("key", torch.randint(2**31, (), dtype=torch.int32))
        self.register_buffer("call", torch.zeros((), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        self.call += 1
        kept = random_bits(self.key, self.call, x.shape) >= int(self.p * 2**31)
        return x * kept / (1 - self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"
