"""WholeNumbers: the part of a data module that gives whole numbers as int64, or as float32 to a net that needs them."""

from collections.abc import Mapping

import torch
from torch import Tensor


class WholeNumbers:
    """`is_whole` says that the examples are whole numbers, such as tokens or counts; pixels of uint8 are none."""

    splits: Mapping[str, tuple[Tensor, Tensor]]
    is_whole: bool = False
    as_floats: bool = False

    def give_floats(self, wanted: bool) -> None:
        """Give whole numbers as float32 from now on, or again as int64."""
        self.as_floats = wanted
        kind = torch.float32 if wanted else torch.int64
        made = {id(x): x.to(kind) for x, _ in self.splits.values()}  # splits that share their examples still do
        if made:  # streamed data has no splits in memory
            self.splits = {name: (made[id(x)], y) for name, (x, y) in self.splits.items()}
