"""Dropout with masks that depend on the net's own key alone, so that replicas stay independent."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.basics.errors import is_number, require

STEP = 0x9E3779B97F4A7C15 - 2**64  # from one position of a stream to the next


def check_share(key: str, value: float) -> None:
    """Raise UserError unless `value` is a dropout rate."""
    require(is_number(value) and 0 <= value < 1, key, value, f"a share in [0, 1), for example {key}=0.3")


def random_bits(key: Tensor, call: Tensor, shape: torch.Size, rows: Tensor | None = None) -> Tensor:
    """Return uniform int32 numbers [*key.shape, *shape]: a counter-based stream, equal on CPU and CUDA.

    `rows` [B] selects rows of the stream along the first axis of `shape`; by default the first ones.

    This is SplitMix64 (Steele et al. 2014). Position and call number advance the key by odd 64-bit constants; a
    finalizer mixes the bits. Its shifts keep the sign, which costs two of the 64 bits of state. Each result gives two
    neighbours of a row. The last shift is unsigned: otherwise every second number would be positive.
    """
    words = -(-shape[-1] // 2)
    if rows is None:
        steps = _steps((*shape[:-1], words), key.device)
    else:
        of_row = torch.arange(shape[1:-1].numel() * words, device=key.device).view(*shape[1:-1], words)
        steps = (rows.view(-1, *[1] * of_row.dim()) * of_row.numel() + of_row) * STEP
    start = (key + call * (0xD1B54A32D192ED03 - 2**64))[(..., *[None] * len(shape))]
    x = steps + start
    x.bitwise_xor_(x >> 30).mul_(0xBF58476D1CE4E5B9 - 2**64)
    x.bitwise_xor_(x >> 27).mul_(0x94D049BB133111EB - 2**64)
    x.bitwise_xor_((x >> 31).bitwise_and_(2**33 - 1))
    return x.view(torch.int32)[..., : shape[-1]]


@lru_cache(maxsize=16)
def _steps(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Return the positions of a stream times STEP, the same in every training step."""
    return torch.arange(math.prod(shape), device=device).view(shape) * STEP


def min_kept(share: Any) -> Any:
    """Return the least int32 number that is kept where a share is dropped: a number, or a tensor for a tensor."""
    if isinstance(share, Tensor):
        return ((share * 2**32).to(torch.int64) - 2**31).to(torch.int32)
    return int(share * 2**32) - 2**31


class Dropout(nn.Module):
    """Inverted dropout (Srivastava et al. 2014): zero a share `p` of the inputs [B, ...] during training.

    torch's dropout draws from one global stream, which replicas would share. Here the key is drawn when the net is
    initialized, and a counter advances with every training step. Both are saved with the net. With R networks the key
    is [R], and the inputs are [R, B, ...].

    `use` gives each of R networks a rate of its own.

    With `rows` [B] set, dropout is also active in evaluation mode, as MC dropout needs. Example i then has the mask of
    row `rows[i]` of a separate stream, independent of the rest of the batch.
    """

    key: Tensor
    call: Tensor
    rows: Tensor | None = None
    rates: Tensor | None = None  # [R], float64, where the networks differ in p

    def __init__(self, p: float):
        super().__init__()
        self.p = p
        self.register_buffer("key", torch.randint(2**63 - 1, ()))
        self.register_buffer("call", torch.zeros((), dtype=torch.int64))

    def use(self, rates: Sequence[float]) -> None:
        """Let network r drop a share of rates[r]."""
        self.p = rates[0]
        differ = any(rate != self.p for rate in rates)
        self.rates = torch.tensor(rates, dtype=torch.float64, device=self.key.device) if differ else None

    def share(self, like: Tensor) -> Any:
        """Return the share to drop: a number, or where the networks differ [R, 1, ...], of as many axes as `like`."""
        return self.p if self.rates is None else self.rates.view(-1, *[1] * (like.dim() - 1))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training and self.rows is None:
            return x
        with torch._C.DisableTorchFunction():  # here x has the axis R, also in dnnx.training.batched_functions
            return self._dropped(x)

    def _dropped(self, x: Tensor) -> Tensor:
        if self.p == 1:
            return x * 0
        shape = self._mask_shape(x.shape[self.key.dim() :])
        free = torch.zeros_like(self.call)  # training steps count from 1
        kept = self.draw(shape) if self.training else self._kept(free, shape, self.rows)
        missing = x.dim() - kept.dim()
        return self._drop(x, (kept[(..., *[None] * missing)] if missing else kept).to(x.dtype))

    def draw(self, shape: torch.Size) -> Tensor:
        """Return whether each element of `shape` is kept in the next training step, [*key.shape, *shape]."""
        self.call += 1
        return self._kept(self.call, shape)

    def _kept(self, call: Tensor, shape: torch.Size, rows: Tensor | None = None) -> Tensor:
        bits = random_bits(self.key, call, shape, rows)
        return bits >= min_kept(self.share(bits))

    def _mask_shape(self, shape: torch.Size) -> torch.Size:
        """Return the axes of a batch [B, ...] along which the mask differs."""
        return shape

    def _drop(self, x: Tensor, kept: Tensor) -> Tensor:
        return x * (kept * self.scale(x))

    def scale(self, x: Tensor) -> Any:
        """Return the factor of what is kept of x [R, ...]: one number, or a tensor [R, 1, ...]."""
        return _as(1 / (1 - self.share(x)), x)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class AlphaDropout(Dropout):
    """Alpha dropout (Klambauer et al. 2017), for SELU: keep mean 0 and variance 1.

    A dropped input becomes SELU's limit at minus infinity. Then all inputs are scaled by a and shifted by b.
    """

    SATURATED = -1.0507009873554805 * 1.6732632423543772  # minus SELU's scale times its alpha

    def line(self, x: Tensor) -> tuple[Any, Any]:
        """Return the scale a and the shift b for x [R, ...]: numbers, or tensors [R, 1, ...]."""
        low, p = self.SATURATED, self.share(x)
        square = (1 - p) * (1 + p * low**2)
        a = 1 / (square.sqrt() if isinstance(square, Tensor) else math.sqrt(square))
        return _as(a, x), _as(-a * p * low, x)

    def _drop(self, x: Tensor, kept: Tensor) -> Tensor:
        a, b = self.line(x)
        return (x * kept + self.SATURATED * (1 - kept)) * a + b


class ChannelDropout(Dropout):
    """Drop whole channels of each example [B, C, ...] (Tompson et al. 2015), as nn.Dropout1d, 2d and 3d do."""

    def _mask_shape(self, shape: torch.Size) -> torch.Size:
        return shape[:2]


class ChannelAlphaDropout(AlphaDropout):
    """Drop whole channels of each example by alpha dropout, as nn.FeatureAlphaDropout does."""

    def _mask_shape(self, shape: torch.Size) -> torch.Size:
        return shape[:2]


def _as(value: Any, x: Tensor) -> Any:
    return value.to(x.dtype) if isinstance(value, Tensor) else value


DROPOUTS: dict[str, type[Dropout]] = {"plain": Dropout, "alpha": AlphaDropout}
OF_TORCH: dict[type[nn.Module], Callable[[float], Dropout]] = {
    nn.Dropout: Dropout,
    nn.Dropout1d: ChannelDropout,
    nn.Dropout2d: ChannelDropout,
    nn.Dropout3d: ChannelDropout,
    nn.AlphaDropout: AlphaDropout,
    nn.FeatureAlphaDropout: ChannelAlphaDropout,
}


def own_streams(net: nn.Module) -> nn.Module:
    """Replace torch's dropout layers, which share one stream, by those above; return the net."""
    made: dict[nn.Module, Dropout] = {}
    for name, layer in list(net.named_modules(remove_duplicate=False)):
        if type(layer) in OF_TORCH and name:
            given: Any = layer
            made.setdefault(layer, OF_TORCH[type(layer)](given.p).train(layer.training))
            parent, _, last = name.rpartition(".")
            setattr(net.get_submodule(parent), last, made[layer])
    return net
