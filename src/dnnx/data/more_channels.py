"""MoreChannels: digits beside a second channel that tells nothing, of zeros or of noise."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dnnx.basics.errors import choose
from dnnx.basics.seeding import generator
from dnnx.data.digits import Digits

CHANNELS: dict[str, Callable[[torch.Size, torch.Generator], Tensor] | None] = {
    "none": None,
    "zeros": lambda shape, g: torch.zeros(shape),
    "noise": lambda shape, g: torch.rand(shape, generator=g),  # uniform in [0, 1), as pixels
    "large_noise": lambda shape, g: torch.randint(255, shape, generator=g).float(),  # 0 to 254, unscaled
}


@dataclass(eq=False, repr=False, kw_only=True)
class MoreChannels(Digits):
    """Digits [N, 2, H, W] whose second channel holds nothing about the class; it is drawn once, by `order_seed`.

    Example: `MoreChannels(seeds=[0], root="data", channel="noise")`.
    """

    channel: str = "noise"

    def prepare(self) -> None:
        fill = choose("data.channel", self.channel, CHANNELS)
        super().prepare()
        if fill is None:
            return
        for part, (x, y) in self.splits.items():
            other = fill(x.shape, generator(self.order_seed, "channel", part))
            self.splits[part] = (torch.cat([x, other.to(x)], 1), y)
        self.in_shape = tuple(self.splits["train"][0].shape[1:])
        self.provenance = self.provenance | {"note": f"{self.provenance['note']}, with a channel of {self.channel}"}
