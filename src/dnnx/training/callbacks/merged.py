"""The callbacks of arms that train as one network: each is called with the trainer and the module of its arm."""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl

from dnnx.basics import signals
from dnnx.basics.counts import many
from dnnx.training.callbacks import progress
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.merged import Arm


class OfArms(pl.Callback):
    """Calls the callbacks of every arm but progress: each writes metrics.csv, events and checkpoints as if alone.

    An error of the class `failure` ends its arm alone; `failed` keeps it.
    """

    def __init__(self, arms: Sequence[Arm], failure: type[Exception] | tuple[()] = ()):
        self.running, self.num = list(arms), len(arms)
        self.failure, self.failed = failure, dict[Arm, Exception]()

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._call(trainer, "setup", stage)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self._call(trainer, "on_fit_start")

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._call(trainer, "on_train_start")

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        finished = [arm for arm in self.running if arm not in pl_module.arms]
        for moment in (["on_train_end"], ["teardown", "fit"]):
            self._call(trainer, *moment, arms=finished)
        self.running = list(pl_module.arms)
        self._call(trainer, "on_train_epoch_start")

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._call(trainer, "on_train_epoch_end")
        trainer.should_stop = all(arm.trainer.should_stop for arm in self.running)
        seeds = sum(int(EarlyStopping.of(arm.trainer).active.sum()) for arm in self.running)
        told = f"{many(seeds, 'network')} of {len(self.running)}/{self.num} arms"
        progress.tell(trainer.current_epoch + 1, trainer.max_epochs, told)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._call(trainer, "on_train_end")

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        signals.let_go()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._call(trainer, "teardown", stage)

    def _call(self, trainer: Any, moment: str, *stage: str, arms: Sequence[Arm] | None = None) -> None:
        """Call the callbacks at a moment of the merged training. A signal waits until every arm has saved."""
        stopped: signals.Stopped | None = None
        for arm in self.running if arms is None else arms:
            arm.count(trainer.current_epoch, trainer.global_step)
            callbacks: Any = arm.trainer.callbacks  # type: ignore[attr-defined]
            for callback in callbacks:
                try:
                    if not isinstance(callback, progress.Progress):
                        getattr(callback, moment)(arm.trainer, arm.module, *stage)
                except signals.Stopped as one:
                    stopped = one
                except self.failure as error:
                    self.failed[arm], arm.trainer.should_stop = error, True
        if stopped is not None:
            raise stopped
