"""Digits of which some are rare, as a data set of one's own. From this folder:

dnnx train data._target_=rare_digits.RareDigits +data.share=0.02 +technique=output_bias
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dnnx.data.digits import Digits


@dataclass(eq=False, repr=False, kw_only=True)
class RareDigits(Digits):
    """Digits with a `share` of the training and validation images of the `rare` classes. Test images stay."""

    root: str = os.environ.get("DNNX_DATA_DIR", "data")
    classes: Sequence[int] = (0, 1, 2, 3, 4)
    rare: Sequence[int] = (1, 2, 3, 4)
    share: float = 0.02

    def prepare(self) -> None:
        super().prepare()
        for split in ("train", "val"):
            x, y = self.splits[split]
            of_class = [(y == label).nonzero()[:, 0] for label in range(int(y.max()) + 1)]
            kept = [rows[: self._number(label, len(rows))] for label, rows in enumerate(of_class)]
            rows = torch.cat(kept).sort().values
            self.splits[split] = x[rows], y[rows]

    def _number(self, label: int, number: int) -> int:
        return max(1, round(self.share * number)) if label in self.rare else number
