"""Dropout whose masks are a function of the net's own key, so that a replica never depends on its neighbours."""

import torch
from torch import Tensor, nn


def random_bits(key: Tensor, call: Tensor, shape: torch.Size) -> Tensor:
    """Uniform integers in [0, 2**31) of `shape`: a counter-based stream, equal on CPU and CUDA.

    SplitMix64 (Steele et al. 2014): position and call number step by odd 64-bit constants from the key, and
    two rounds of its finalizer mix them; the high bits of the last product are the random ones.
    """
    position = torch.arange(shape.numel(), device=key.device).view(shape)
    x = position * (0x9E3779B97F4A7C15 - 2**64) + (key + call * (0xD1B54A32D192ED03 - 2**64))
    x = (x ^ x >> 30) * (0xBF58476D1CE4E5B9 - 2**64)
    x = (x ^ x >> 27) * (0x94D049BB133111EB - 2**64)
    return (x >> 33) + 2**30


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
        self.register_buffer("key", torch.randint(2**63 - 1, ()))
        self.register_buffer("call", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        self.call += 1
        key, call = self.key[..., None, None], self.call[..., None, None]  # [R, 1, 1] where nets are stacked
        kept = random_bits(key, call, x.shape[-2:]) >= int(self.p * 2**31)
        return x * (kept.to(x.dtype) / (1 - self.p))

    def extra_repr(self) -> str:
        return f"p={self.p}"
