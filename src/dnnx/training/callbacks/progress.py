"""Progress of a run: one bar on a terminal, one line per epoch elsewhere."""

import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from dnnx.basics.console import console
from dnnx.training.callbacks.early_stopping import EarlyStopping

REFRESH_S = 0.5
BAR = 8  # characters; at 80 columns the line keeps times, loss and accuracy
LISTENERS: list[Callable[[int, int, str], None]] = []  # in a worker of a study: called instead of printing


def tell(epoch: int, last: int, status: str) -> bool:
    """Tell the listeners that an epoch of at most `last` has ended; return whether there are any."""
    for listener in LISTENERS:
        listener(epoch, last, status)
    return bool(LISTENERS)


class Progress(pl.Callback):
    """Show epochs, the time left to the last possible epoch, and mean validation loss and accuracy of the seeds."""

    bar: Bar | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.status = ""
        self.shown = self.started = time.monotonic()
        self.first_epoch = trainer.current_epoch
        self.bar = Bar(
            TextColumn("epoch {task.fields[epoch]}"), BarColumn(BAR), TimeElapsedColumn(), TextColumn("<"),
            TimeRemainingColumn(compact=True), TextColumn("{task.fields[status]}"),
            console=console, disable=not console.is_terminal, refresh_per_second=2,
        )  # fmt: skip
        self.task = self.bar.add_task("", total=trainer.max_epochs, epoch="", status="")
        self._show(trainer, trainer.current_epoch)
        self.bar.start()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if console.is_terminal and time.monotonic() - self.shown > REFRESH_S:
            self.shown = time.monotonic()
            self._show(trainer, trainer.current_epoch + batch_idx / trainer.num_training_batches)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        epoch, stopping = trainer.current_epoch + 1, EarlyStopping.of(trainer)
        counted = stopping.counted
        means = {name: stopping.metrics[f"val/{name}"][counted].mean() for name in pl_module.task.curves}
        accuracy = f"{means['accuracy']:.2%}  " if "accuracy" in means else ""
        seeds = f"{int(stopping.active.sum())}/{len(counted)} seeds"
        self.status = f"val loss {means['loss']:.4f}  {accuracy}{seeds}"
        self._show(trainer, epoch)
        if not tell(epoch, trainer.max_epochs, self.status) and not console.is_terminal:
            seconds = (time.monotonic() - self.started) / (epoch - self.first_epoch)
            named = f"val/accuracy {accuracy}" if accuracy else ""
            line = (
                f"epoch {epoch}/{trainer.max_epochs}  {named}{seeds} active  val/loss {means['loss']:.4f}  "
                f"{seconds:.1f} s/epoch"
            )
            console.print(line, soft_wrap=True)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if self.bar is not None:
            self.bar.stop()

    def _show(self, trainer: Any, epochs: float) -> None:
        assert self.bar is not None
        self.bar.update(self.task, completed=epochs, epoch=f"{int(epochs)}/{trainer.max_epochs}", status=self.status)
