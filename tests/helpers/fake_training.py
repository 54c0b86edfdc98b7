"""Epochs without a network: losses that a test makes up, and weights that are the number of their epoch."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor


class FakeModule:
    """Its one weight is [R, 1], the epoch in which it was."""

    def __init__(self, seeds: Sequence[int]):
        self.hparams = {"seeds": list(seeds)}
        self.seeds = list(seeds)
        self.task = SimpleNamespace(curves=("loss", "accuracy"))
        self.weight = torch.zeros(len(seeds), 1)
        self.replicas = SimpleNamespace(
            num_replicas=len(seeds), running=list(range(len(seeds))), stacked_state=lambda: {"weight": self.weight}
        )
        self.epoch_metrics: dict[str, Tensor] = {}
        self.first_epoch = 1


class FakeTraining:
    """Drives callbacks through epochs as Lightning's Trainer does."""

    def __init__(self, callbacks: Sequence[Any], seeds: Sequence[int], folder: Path = Path(), start: int = 0):
        self.module = FakeModule(seeds)
        self.trainer = SimpleNamespace(
            callbacks=list(callbacks), current_epoch=start, should_stop=False, default_root_dir=str(folder), loggers=[]
        )
        self._call("setup", "fit")

    def run(self, val_loss: Sequence[Sequence[float]], train_loss: Sequence[Sequence[float]] | None = None) -> None:
        """One epoch for each row [R] of losses, until the trainer is told to stop; accuracies are 1 - loss."""
        self._call("on_fit_start")
        self._call("on_train_start")
        for epoch, row in enumerate(val_loss):
            losses = {"train": train_loss[epoch] if train_loss else row, "val": row}
            self._call("on_train_epoch_start")
            self.module.weight.fill_(self.trainer.current_epoch + 1)
            self.module.epoch_metrics = {
                f"{split}/{metric}": torch.tensor(values) if metric == "loss" else 1 - torch.tensor(values)
                for split, values in losses.items()
                for metric in ("loss", "accuracy")
            }
            self._call("on_train_epoch_end")
            self.trainer.current_epoch += 1
            if self.trainer.should_stop:
                break
        self._call("on_train_end")
        self._call("teardown", "fit")

    def _call(self, hook: str, *arguments: Any) -> None:
        for callback in self.trainer.callbacks:
            getattr(callback, hook)(self.trainer, self.module, *arguments)
