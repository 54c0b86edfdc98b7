"""Data: the members of a data module that training, evaluation and tuning use."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from dnnx.data.loaders import Chunks


class Data(Protocol):
    """A LightningDataModule whose batches carry one example for every replica.

    x keeps its shape, [N, *in_shape]. A training batch is (x [R, B, *in_shape], y [R, B, ...]), with weights (x, y, w
    [R, B]). An evaluation batch is (x [B, *in_shape], y [B, ...]) for all replicas. If each replica has its own
    examples, it has a leading axis R. A batch is shared if `x.dim() == 1 + len(in_shape)`.
    """

    seeds: Sequence[int]  # one replica each
    batch_size: int
    in_shape: tuple[int, ...]  # of one example; pairs: (2, C, H, W)
    num_classes: int | None  # None: numeric targets
    class_names: list[str]  # empty for numeric targets
    target_shape: tuple[int, ...]  # of one target: () for a class or a number, (K,) for several, (H, W) for a map
    provenance: Mapping[str, Any]  # source, note, warning, files: name -> SHA-256
    splits: Mapping[str, tuple[Tensor, Tensor]]  # train, val, test: x [N, *in_shape], y [N, ...]
    rows: Mapping[str, Tensor]  # split -> rows [R, n], if each replica has its own
    test_pictures: Callable[[Tensor], Tensor] | None  # indices [K] -> uint8 [K, H, W, channels]; None: no pictures

    @property
    def sizes(self) -> dict[str, int]:
        """Return the number of examples of each split, for one seed."""

    def setup(self, stage: str | None = None) -> None:
        """Read all data, once. Raise UserError for unusable data."""

    def to(self, device: torch.device) -> None:
        """Move every split to `device`."""

    def check_batch_size(self, least: int) -> None:
        """Raise UserError unless the training examples fill a batch of at least `least`; batch norm needs 2."""

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the replicas at these places alone; without this method finished seeds are computed on."""

    def rejoin(self) -> None:
        """Be the data of all replicas again, after training."""

    def train_dataloader(self) -> Chunks:
        """Return the training batches of the trainer's current epoch."""

    def val_dataloader(self) -> Any:
        """Return the validation batches."""

    def eval_dataloader(self, split: str) -> Any:
        """Return the batches of `split` in its own order, without augmentation and weights."""
