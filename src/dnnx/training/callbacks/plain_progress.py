"""Progress of one seed of a plain training: one bar on a terminal, one line per epoch elsewhere."""

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dnnx.basics.console import console
from dnnx.training.callbacks.plain import Follow
from dnnx.training.callbacks.progress import tell


class ShowSeed(Checkpoint):
    """Show epochs, the last value of the monitored metric, and the best so far; runs after `follow` in every epoch."""

    bar: Progress | None = None

    def __init__(self, title: str, follow: Follow):
        self.title, self.follow = title, follow

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.first, self.started = trainer.current_epoch, time.monotonic()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(16), TimeElapsedColumn(), TextColumn("<"))
        self.bar = Progress(
            *columns, TimeRemainingColumn(compact=True), TextColumn("{task.fields[status]}", markup=False),
            console=console, disable=not console.is_terminal, refresh_per_second=2,
        )  # fmt: skip
        self.task = self.bar.add_task(self.title, total=trainer.max_epochs, completed=self.first, status="")
        self.bar.start()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        assert self.bar is not None
        follow, epoch = self.follow, trainer.current_epoch + 1
        value = follow.metrics.get(follow.monitor.key)
        status = f"{follow.monitor.name} {value:.4f}" if value is not None else ""
        self.bar.update(self.task, completed=epoch, status=status)
        if not tell(epoch, trainer.max_epochs or epoch, f"{self.title} {status}") and not console.is_terminal:
            seconds = (time.monotonic() - self.started) / (epoch - self.first)
            line = f"{self.title}: epoch {epoch}/{trainer.max_epochs}  {status}  {seconds:.1f} s/epoch"
            console.print(line, soft_wrap=True)

    def teardown(self, trainer: pl.Trainer, pl_module: Any, stage: str) -> None:
        if self.bar is not None:
            self.bar.stop()
