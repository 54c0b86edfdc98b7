"""OfReplicas: the part of a data module that each replica has for itself, when some of them leave."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class OfReplicas:
    """`seeds`, `rows` and `features` are those of the replicas that are in training.

    `rows` maps a split to [R, n]; `features` to x, y and rows [R, n] of them, where frozen layers computed them once.
    """

    seeds: Sequence[int]
    rows: Mapping[str, Tensor]
    features: dict[str, tuple[Tensor, Tensor, Tensor]]
    all_replicas: tuple[Sequence[int], Mapping[str, Tensor]] | None = None  # seeds and rows, once some have left

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the replicas at these places alone."""
        self.all_replicas = self.all_replicas or (self.seeds, self.rows)
        self.seeds = [self.seeds[place] for place in places]
        self.rows = {split: rows[list(places)] for split, rows in self.rows.items()}
        self.features = {split: _of(rows[list(places)], x, y) for split, (x, y, rows) in self.features.items()}

    def rejoin(self) -> None:
        """Be the data of all replicas again, after training."""
        if self.all_replicas is not None:
            self.seeds, self.rows = self.all_replicas
            self.all_replicas, self.features = None, {}


def _of(rows: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the features, labels and rows of the replicas whose rows these are, one replica after the other."""
    return x[rows.flatten()], y[rows.flatten()], torch.arange(rows.numel(), device=rows.device).view_as(rows)
