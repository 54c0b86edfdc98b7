"""Checkpoints between two epochs; a run resumed from one continues exactly as if it had never stopped."""

import io
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO
from torch import Tensor

from dnnx.basics import signals
from dnnx.basics.errors import UserError, require
from dnnx.runs.files import own_folder, write_atomic
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.callbacks.saving import Saving, restoring
from dnnx.training.leaving import drop
from dnnx.training.replicas import Left
from dnnx.training.trainer import set_progress


class Checkpoint(Saving):
    """Write checkpoints/last.ckpt and best.ckpt, and epoch_<n>.ckpt every n epochs; resume from last.ckpt.

    Saves are at least `every_s` seconds apart, with one at the end. best.ckpt holds each seed's weights of its own best
    epoch. Lightning's own checkpoint callback saves before the epoch's learning-rate step, which a resumed run then
    misses. Here an epoch is saved when the next one starts, after all its steps.

    A signal loses no finished epoch: while one is not saved, the signal waits until the current one is finished and
    saved too. Epochs longer than `every_s` are all saved, so there the current one is stopped at once.
    """

    def __init__(self, every_n_epochs: int | None = None, every_s: float = 5.0):
        require(
            every_n_epochs is None or (isinstance(every_n_epochs, int) and every_n_epochs >= 1),
            "callbacks.checkpoint.every_n_epochs", every_n_epochs, "null, or a whole number of epochs",
        )  # fmt: skip
        valid = isinstance(every_s, int | float) and every_s >= 0
        require(valid, "callbacks.checkpoint.every_s", every_s, "seconds between two saves, at least 0")
        super().__init__(every_n_epochs, every_s)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self.folder = own_folder(Path(trainer.default_root_dir) / "checkpoints")
        trainer.strategy.checkpoint_io = InPlace()
        if (last := self.folder / "last.ckpt").exists():
            with restoring(last):
                restore(trainer, pl_module, load_checkpoint(last))
            trainer.should_stop = not bool(EarlyStopping.of(trainer).active.any())
        self.saved_s, self.saved_best = time.monotonic(), torch.zeros(0)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if self.is_due(trainer.current_epoch):
            self._save(trainer, pl_module)
            signals.release()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._save(trainer, pl_module)
        signals.release()

    def _save(self, trainer: Any, pl_module: Any) -> None:
        stopping, replicas, epoch = EarlyStopping.of(trainer), pl_module.replicas, trainer.current_epoch
        if not torch.equal(self.saved_best, stopping.best_epoch):
            self.saved_best = stopping.best_epoch.clone()
            with replicas.showing(stopping.best_state):
                write_atomic(self.folder / "best.ckpt", lambda path: trainer.save_checkpoint(path, weights_only=True))
        if self.keeps(epoch):
            write_atomic(self.folder / f"epoch_{epoch}.ckpt", trainer.save_checkpoint)
        write_atomic(
            self.folder / "last.ckpt", trainer.save_checkpoint
        )  # last: a resumed run does no earlier epoch again
        self.saved_s = time.monotonic()


class InPlace(TorchCheckpointIO):
    """Write a file at its own place. Lightning writes to the system's temporary folder, then moves or copies."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        file = io.BytesIO()
        torch.save(checkpoint | {"state_dict": whole(checkpoint["state_dict"])}, file)
        Path(path).write_bytes(file.getbuffer())


def whole(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state in which no tensor is a part of a larger one, as torch saves that with all of its memory."""
    return {
        name: value.clone() if value.untyped_storage().nbytes() > value.nbytes else value
        for name, value in state.items()
    }


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return a checkpoint as tensors and plain values. Nothing in it is executed."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: not a readable checkpoint ({reason}); delete it to start this run anew") from None


def restore(trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
    """Restore weights, optimizers, schedulers, callbacks and counters from `checkpoint`.

    Lightning's own `ckpt_path` repeats part of the finished epoch, and skips the scheduler's step in it.
    """
    if "left" in checkpoint:
        drop(trainer, pl_module, _left(checkpoint["left"], pl_module.replicas))
    pl_module.load_state_dict(checkpoint["state_dict"])
    if len(checkpoint["optimizer_states"]) != len(trainer.optimizers):
        raise ValueError("not the state of every optimizer")
    trainer.strategy.load_optimizer_state_dict(checkpoint)
    for optimizer in trainer.optimizers:
        for p, state in optimizer.state.items():
            tensors = [value for value in state.values() if isinstance(value, Tensor)]
            if any(torch.broadcast_shapes(value.shape, p.shape) != p.shape for value in tensors):
                raise ValueError("an optimizer of another network")
    for config, state in zip(trainer.lr_scheduler_configs, checkpoint["lr_schedulers"], strict=True):
        config.scheduler.load_state_dict(state)
    for callback in trainer.callbacks:
        if callback.state_key in checkpoint["callbacks"]:
            saved = checkpoint["callbacks"][callback.state_key]
            if not getattr(callback, "checks_own_state", False):
                _check_like(saved, callback.state_dict())
            callback.load_state_dict(saved)
    pl_module.on_load_checkpoint(checkpoint)
    stopping, epoch = EarlyStopping.of(trainer), checkpoint["epoch"]
    if type(epoch) is not int or epoch < 1 or int(stopping.last_epoch.max()) > epoch:
        raise ValueError(f"epoch {epoch}")
    if not set(stopping.active.nonzero()[:, 0].tolist()) <= {*pl_module.replicas.running}:
        raise ValueError("a seed has left that is not finished")
    set_progress(trainer, epoch, checkpoint["global_step"])


def _left(saved: dict[str, Any], replicas: Any) -> Left:
    """Return what a checkpoint says of the seeds that have left; ValueError unless it is of these networks."""
    own = replicas.leaving([], 0)
    _check_like(saved, vars(own))
    left = Left(saved["steps"], {name: saved["state"][name] for name in own.state})
    if not left.running or int(left.steps.min()) < 0:
        raise ValueError("no seed is left")
    return left


def _check_like(saved: dict[str, Any], own: dict[str, Any]) -> None:
    """ValueError unless `saved` has what `own` has, of the same types and shapes."""
    for name, value in own.items():
        found = saved[name]
        if type(found) is not type(value):
            raise ValueError(f"{name} is a {type(found).__name__}")
        if isinstance(value, dict):
            _check_like(found, value)
        if isinstance(value, Tensor) and (found.shape, found.dtype) != (value.shape, value.dtype):
            raise ValueError(f"{name} is {tuple(found.shape)} instead of {tuple(value.shape)}")
