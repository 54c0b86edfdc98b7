"""Early stopping for each seed on its own: best epoch, patience and best weights."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from dnnx.basics.errors import require


class EarlyStopping(pl.Callback):
    """Keep every seed's weights of the lowest validation loss, and stop when no seed is active.

    A seed is active until `patience` epochs brought no lower loss, or its loss was not finite (it diverged). Epochs
    before the module's `first_epoch` count neither for best weights nor for patience. Epochs count from 1; all state is
    [R] of all seeds, also of those that left the replicas. `metrics` are those of the epoch just ended, 0 for a seed
    that left. `counted` marks the seeds that were active in it. Later epochs of a seed are not recorded, as they would
    not happen if it trained alone.
    """

    STATE = ("best_state", "best_loss", "best_epoch", "last_epoch", "diverged_epoch", "active")

    def __init__(self, patience: int = 20):
        require(
            isinstance(patience, int) and patience >= 1, "callbacks.early_stopping.patience", patience,
            "a whole number of epochs, for example callbacks.early_stopping.patience=20",
        )  # fmt: skip
        self.patience = patience

    @staticmethod
    def of(trainer: Any) -> "EarlyStopping":
        """Return the instance in this trainer; later callbacks and the results read it."""
        return next(callback for callback in trainer.callbacks if isinstance(callback, EarlyStopping))

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        num = pl_module.replicas.num_replicas
        self.best_state = _to_cpu(pl_module.replicas.stacked_state())
        self.best_loss = torch.full((num,), torch.inf)
        self.best_epoch = torch.zeros(num, dtype=torch.int64)
        self.last_epoch = torch.zeros(num, dtype=torch.int64)
        self.diverged_epoch = torch.zeros(num, dtype=torch.int64)  # 0: it did not
        self.active = torch.ones(num, dtype=torch.bool)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        epoch, running = trainer.current_epoch + 1, pl_module.replicas.running
        self.metrics = {name: self.of_all(values, running) for name, values in pl_module.epoch_metrics.items()}
        loss = self.metrics["val/loss"]
        finite = loss.isfinite() & self.metrics["train/loss"].isfinite()
        first = pl_module.first_epoch
        self.counted = self.active
        self.last_epoch[self.counted] = epoch
        self.diverged_epoch[self.counted & ~finite] = epoch
        self.improved = self.counted & finite & (loss < self.best_loss) & (epoch >= first)
        self.best_loss[self.improved] = loss[self.improved]
        self.best_epoch[self.improved] = epoch
        if self.improved.any():
            rows = self.improved.nonzero()[:, 0].tolist()
            places = [running.index(row) for row in rows]
            for name, value in pl_module.replicas.stacked_state().items():
                self.best_state[name][rows] = value.detach()[places].cpu()
        self.active = self.counted & finite & (epoch - self.best_epoch.clamp(min=first - 1) < self.patience)
        trainer.should_stop = not bool(self.active.any())

    def of_all(self, values: Tensor, running: list[int]) -> Tensor:
        """Return values of the running replicas as those of all seeds on the CPU, 0 where a seed has left."""
        whole = values.new_zeros(len(self.active), device="cpu")
        whole[running] = values.detach().cpu()
        return whole

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def survived(self) -> list[bool]:
        """Return which seeds did not diverge."""
        return self.diverged_epoch.eq(0).tolist()


def _to_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().to("cpu", copy=True) for name, value in tensors.items()}
