"""Transfer: a classifier that starts from the weights of another run, with some of its layers frozen."""

import time
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dnnx.errors import UserError, require
from dnnx.files import load_tensors
from dnnx.modules.classifier import Classifier
from dnnx.replicas import Replicas


class Transfer(Classifier):
    """Replica r starts from the backbone's replica r.

    Lists hold patterns of parameter names, such as `hidden_layers.[01].*`; each must match something. `fresh` is
    what starts anew, `dropped` what the backbone has and this network has not, `frozen` what is not trained. A
    frozen layer stays in evaluation mode: its batch statistics never move, its dropout is off. `cached` computes
    the frozen bottom once and trains on its features: same batches, same result.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        net: Mapping[str, Any],
        seeds: Sequence[int],
        backbone: str | None = None,  # a run folder, read when training starts and never again
        fresh: Sequence[str] = ("*",),
        dropped: Sequence[str] = (),
        frozen: Sequence[str] = (),
        cached: bool = False,
        **factories: Any,
    ):
        super().__init__(in_features, num_classes, net, seeds, **factories)
        self.save_hyperparameters("frozen")
        self.backbone, self.fresh, self.dropped, self.cached = backbone, fresh, dropped, cached
        self.frozen_layers = freeze(self.replicas.net, frozen)
        self.cache_s: float | None = None
        self.train()

    def train(self, mode: bool = True) -> "Transfer":
        super().train(mode)
        for layer in self.frozen_layers:
            layer.eval()
        return self

    def setup(self, stage: str) -> None:
        if self.backbone is not None:
            load_backbone(self.replicas, Path(self.backbone), self.fresh, self.dropped)

    def on_fit_start(self) -> None:
        if self.cached:
            self._cache()

    def _cache(self) -> None:
        """Replaces training and validation images by their features under the lowest layer that is trained."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        reason = self._why_not_cache(data)
        if reason:
            raise UserError(f"module.cached=true: {reason}; type module.cached=false")
        started = time.perf_counter()
        self.start = self._num_frozen_blocks()
        for split in ("train", "val"):
            data.features[split] = data.splits[split].map(self._features)
        self.cache_s = time.perf_counter() - started

    @torch.no_grad()
    def _features(self, x: Tensor, shared: bool) -> Tensor:
        return self.replicas(x, shared=shared, stop=self.start)
