"""The callbacks of arms that train as one network: each is called with the trainer and the module of its arm."""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
from rich.status import Status

from dnnx.basics import signals
from dnnx.basics.console import console
from dnnx.basics.counts import many
from dnnx.training.callbacks import progress
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.callbacks.saving import Saving
from dnnx.training.merged import Arm
from dnnx.training.trainer import set_progress


class OfArms(pl.Callback):
    """Calls the callbacks of every arm, except Progress, with the arm's own trainer and module.

    So each writes metrics.csv, events and checkpoints as if it trained alone. An exception of the classes `failure`
    ends its arm alone and is kept in `failed`. Arms without `failure` are those of a study, whose epochs are shown.
    """

    status: Status | None = None

    def __init__(self, arms: Sequence[Arm], failure: tuple[type[Exception], ...] = ()):
        self.running, self.num = list(arms), len(arms)
        self.failure, self.failed = failure, dict[Arm, Exception]()

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._call(trainer, "setup", stage)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self._call(trainer, "on_fit_start")

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._call(trainer, "on_train_start")
        if not self.failure:
            self.status = console.status("")
            self.status.start()

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        finished = [arm for arm in self.running if arm not in pl_module.arms]
        with signals.together(self._saves_all(pl_module.arms, trainer.current_epoch)):
            for moment in (["on_train_end"], ["teardown", "fit"]):
                self._call(trainer, *moment, arms=finished)
            self.running = list(pl_module.arms)
            self._call(trainer, "on_train_epoch_start")

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        signals.hold()
        self._call(trainer, "on_train_epoch_end")
        trainer.should_stop = all(arm.trainer.should_stop for arm in self.running)
        seeds = sum(int(EarlyStopping.of(arm.trainer).active.sum()) for arm in self.running)
        told = f"{many(seeds, 'network')} of {len(self.running)}/{self.num} arms"
        if self.status is not None:
            self._show(self.status, trainer.current_epoch + 1, trainer.max_epochs, told)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        with signals.together(True):
            self._call(trainer, "on_train_end")

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        signals.let_go()
        if self.status is not None:
            self.status.stop()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if self.status is not None:
            self.status.stop()
        self._call(trainer, "teardown", stage)

    @staticmethod
    def _show(status: Status, epoch: int, last: int, told: str) -> None:
        """Show an epoch: in the bar of the parent, in a line that changes on a terminal, or in a line of its own."""
        line = f"epoch {epoch}/{last}  {told}"
        if not progress.tell(epoch, last, told):
            status.update(line)
            if not console.is_terminal:
                console.print(line, soft_wrap=True)

    @staticmethod
    def _saves_all(arms: Sequence[Arm], epoch: int) -> bool:
        """Return whether each of these arms will save this epoch; else a signal waits for the end of the next one."""
        callbacks = [callback for arm in arms for callback in arm.trainer.callbacks]  # type: ignore[attr-defined]
        return all(callback.is_due(epoch) for callback in callbacks if isinstance(callback, Saving))

    def _call(self, trainer: Any, moment: str, *stage: str, arms: Sequence[Arm] | None = None) -> None:
        """Call the callbacks at a moment of the merged training."""
        for arm in self.running if arms is None else arms:
            set_progress(arm.trainer, trainer.current_epoch, trainer.global_step)
            for callback in arm.trainer.callbacks:  # type: ignore[attr-defined]
                try:
                    if not isinstance(callback, progress.Progress):
                        getattr(callback, moment)(arm.trainer, arm.module, *stage)
                except self.failure as error:
                    self.failed[arm], arm.trainer.should_stop = error, True
