"""The moments at which a training saves a checkpoint, and the signals that wait for one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from dnnx.basics import signals
from dnnx.basics.errors import UserError, message_of


class Saving(pl.Callback):
    """Base of callbacks that save an epoch when the next one starts; a signal waits for a finished epoch's save.

    Saves are at least `every_s` seconds apart. `every_n_epochs` asks for a checkpoint of its own every n epochs.
    Subclasses set `saved_s` at each save.
    """

    saved_s: float

    def __init__(self, every_n_epochs: int | None, every_s: float):
        self.every_n_epochs, self.every_s = every_n_epochs, every_s

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        signals.take()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        signals.hold()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        signals.let_go()

    def is_due(self, epoch: int) -> bool:
        """Return whether to save after so many epochs: on demand, for a signal, or as the last save is long ago."""
        asked = self.keeps(epoch) or signals.came()
        return epoch > 0 and (asked or time.monotonic() - self.saved_s >= self.every_s)

    def keeps(self, epoch: int) -> bool:
        """Return whether this epoch has a checkpoint of its own, epoch_<n>.ckpt."""
        return self.every_n_epochs is not None and epoch % self.every_n_epochs == 0


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Raise UserError if the contents of a checkpoint do not fit the training that takes them."""
    try:
        yield
    except (LookupError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        reason = message_of(error, 200)
        raise UserError(f"{path}: not a checkpoint of this run ({reason}); delete it to train anew") from None
