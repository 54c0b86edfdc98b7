"""How a trial ends early: Optuna prunes it by its value after an epoch, or it fails by its own fault."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import optuna
import torch

from dnnx.basics.errors import is_out_of_memory, message_of
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.tuning.uninterrupted import should_prune


class TrialFailed(Exception):
    """The reason why a trial has no value, if the fault is its own."""


@contextmanager
def timed(trial: optuna.Trial) -> Iterator[None]:
    """Store the seconds of a trial, however it ends. Raise TrialFailed if it ran out of memory."""
    started = time.perf_counter()
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrialFailed(f"out of memory: {message_of(error, 200)}") from None
    finally:
        trial.set_user_attr("seconds", time.perf_counter() - started)


class Prune(pl.Callback):
    """Report the mean of `measure` over folds after each epoch, each fold at its best epoch so far.

    Best epochs count because the final score uses the best weights. A diverged fold fails the trial. `measure(module,
    metrics)` returns a value per fold, [R], for the current weights. `on_epoch` gets epoch and mean.
    """

    def __init__(
        self, trial: optuna.Trial, measure: Callable[[Any, dict], torch.Tensor], on_epoch: Callable[[int, float], None]
    ):
        self.trial, self.measure, self.on_epoch = trial, measure, on_epoch
        self.best = torch.zeros(())  # [R] after an epoch

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        stopping, epoch = EarlyStopping.of(trainer), trainer.current_epoch + 1
        if stopping.diverged_epoch.any():
            folds = stopping.diverged_epoch.nonzero()[:, 0].tolist()
            raise TrialFailed(f"diverged: the loss of fold {folds[0] + 1} was not finite in epoch {epoch}")
        values = self.measure(pl_module, stopping.metrics)
        newest = stopping.improved | (stopping.best_epoch == 0)  # there may be no best epoch yet
        self.best = torch.where(newest, values, self.best)
        mean = self.best.double().mean().item()
        self.trial.report(mean, epoch)
        self.on_epoch(epoch, mean)
        goes_on = not trainer.should_stop and epoch < trainer.max_epochs
        if goes_on and should_prune(self.trial):
            raise optuna.TrialPruned
