"""Callbacks of a plain Lightning training: curves, early stopping, best weights and complete resume of one seed."""

import io
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from dnnx.basics import signals
from dnnx.basics.console import warn
from dnnx.basics.errors import UserError, message_of
from dnnx.runs.files import write_atomic
from dnnx.training import plain_state
from dnnx.training.callbacks.checkpoint import load_checkpoint
from dnnx.training.callbacks.saving import Saving, restoring
from dnnx.training.plain_metrics import Monitor, split_of

ROWS = r"(\d{1,9},[^,\n]*,[^,\n]*,\d{1,19},[-+.\w]+\n)*"


@dataclass
class SeedProgress:
    """The progress of one seed. Epochs count from 1; 0 means none."""

    epoch: int = 0  # the last one that ended
    best: float = inf  # of the monitored metric, negated where higher is better
    best_epoch: int = 0
    diverged_epoch: int = 0
    active: bool = True  # patience is left, and the loss is finite
    stopped: bool = False  # training ended before its last epoch
    elapsed_s: list[float] = field(default_factory=list)  # seconds of training at the end of every epoch
    rows: str = ""  # of metrics.csv
    in_validation: list[str] = field(default_factory=list)  # names that validation logs
    best_metrics: dict[str, float] = field(default_factory=dict)

    def ended(self, max_epochs: int) -> bool:
        return not self.active or self.stopped or self.epoch >= max_epochs


class Follow(Checkpoint):
    """Record every epoch's logged metrics, keep the best weights, and stop after `patience` epochs without improvement.

    Lightning runs Checkpoint callbacks after the module's own hooks, so all logged metrics are available.
    """

    def __init__(self, seed: int, monitor: Monitor, patience: int, write: Callable[[str], None]):
        self.seed, self.monitor, self.patience, self.write = seed, monitor, patience, write
        self.progress, self.best_state = SeedProgress(), {}  # type: ignore[var-annotated]

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.started, self.validated = time.perf_counter(), False
        self.rates = [group["lr"] for optimizer in trainer.optimizers[:1] for group in optimizer.param_groups[:1]]

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self.before = set(trainer.callback_metrics)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not self.validated and not self.progress.in_validation:
            self.progress.in_validation = sorted(set(trainer.callback_metrics) - self.before)
        self.validated = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        progress, epoch = self.progress, trainer.current_epoch + 1
        progress.elapsed_s.append(sum(progress.elapsed_s[-1:]) + time.perf_counter() - self.started)
        progress.epoch = epoch
        self.metrics = self._logged(trainer.callback_metrics)
        rows = [f"{epoch},time,elapsed_s,{self.seed},{progress.elapsed_s[-1]:.6f}\n"]
        rows += [f"{epoch},optimizer,lr,{self.seed},{float(rate)!r}\n" for rate in self.rates]
        rows += [f"{epoch},{key.replace('/', ',', 1)},{self.seed},{v!r}\n" for key, v in self.metrics.items()]
        progress.rows += "".join(rows)
        self.write("".join(rows))
        self._judge(epoch, pl_module)
        if not progress.active:
            trainer.should_stop = True

    def _logged(self, logged: dict[str, Tensor]) -> dict[str, float]:
        """Return the epoch's metrics by `split/name`; those of validation only if the epoch had one."""
        named = {name: split_of(name, self.progress.in_validation) for name in logged if _is_whole(name, logged)}
        return {
            f"{split}/{metric}": float(logged[name])
            for name, (split, metric) in named.items()
            if self.validated or split != "val"
        }

    def _judge(self, epoch: int, module: Any) -> None:
        progress, key = self.progress, self.monitor.key
        if key not in self.metrics:
            if self.validated or self.monitor.key.startswith("train/"):
                raise UserError(self.monitor.absent([*self.metrics]))
            return
        value = self.metrics[key]
        if not isfinite(value) or not isfinite(self.metrics.get("train/loss", 0.0)):
            progress.diverged_epoch, progress.active = epoch, False
            return
        if self.monitor.sign * value < progress.best:
            progress.best, progress.best_epoch = self.monitor.sign * value, epoch
            progress.best_metrics = {k: v for k, v in self.metrics.items() if not k.startswith("test/")}
            self.best_state = {name: _copied(tensor) for name, tensor in module.state_dict().items()}
        progress.active = epoch - progress.best_epoch < self.patience

    def state_dict(self) -> dict[str, Any]:
        return {"progress": asdict(self.progress), "best_state": self.best_state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.progress, self.best_state = SeedProgress(**state["progress"]), state["best_state"]
        if not re.fullmatch(ROWS, self.progress.rows):
            raise ValueError("rows are not those of metrics.csv")


def _is_whole(name: str, logged: dict[str, Tensor]) -> bool:
    """Return whether a name has the epoch's value. Lightning adds `_step` and `_epoch` to names logged for both."""
    return not any(name.endswith(end) and name.removesuffix(end) in logged for end in ("_step", "_epoch"))


def _copied(value: Any) -> Any:
    return value.detach().to("cpu", copy=True) if isinstance(value, Tensor) else value


class Resume(Saving):
    """Save last.ckpt and best.ckpt of one seed at the start of the next epoch; resume from last.ckpt.

    Saves are at least `every_s` seconds apart, with one at the end. `every_n_epochs` also keeps epoch_<n>.ckpt.
    """

    def __init__(self, folder: Path, follow: Follow, every_s: float = 5.0, every_n_epochs: int | None = None):
        super().__init__(every_n_epochs, every_s)
        self.folder, self.follow = folder, follow
        self.pending: dict[str, Any] | None = None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self.saved_s, self.saved_best, self.safe = time.monotonic(), 0, True
        if not (last := self.folder / "last.ckpt").exists():
            return
        checkpoint = load_checkpoint(last)
        with restoring(last):
            self.pending = checkpoint.pop("random")
            plain_state.restore(trainer, pl_module, checkpoint)
        self.saved_best = self.follow.progress.best_epoch
        trainer.should_stop = self.follow.progress.ended(trainer.max_epochs)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if self.pending is not None:
            plain_state.set_random_state(trainer, pl_module, self.pending)
            self.pending = None
        elif self.is_due(trainer.current_epoch):
            self._save(trainer, pl_module)
            signals.release()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        progress = self.follow.progress
        if self.pending is not None:  # it had ended before
            return
        progress.stopped = progress.epoch < trainer.max_epochs
        self._save(trainer, pl_module)
        signals.release()

    def _save(self, trainer: Any, pl_module: Any) -> None:
        checkpoint = plain_state.dump(trainer) | {"random": plain_state.random_state(trainer, pl_module)}
        best = self.follow.progress.best_epoch
        if self.saved_best != best:
            weights = {"state_dict": self.follow.best_state, "epoch": best}
            self._write("best.ckpt", {k: v for k, v in checkpoint.items() if k in FOR_USE} | weights)
            self.saved_best = best
        if self.keeps(trainer.current_epoch):
            self._write(f"epoch_{trainer.current_epoch}.ckpt", checkpoint)
        self._write("last.ckpt", checkpoint)  # written last: a resumed run repeats no earlier epoch
        self.saved_s = time.monotonic()

    def _write(self, name: str, checkpoint: dict[str, Any]) -> None:
        """Write a file that can be read without running code; if that is impossible, warn once."""
        file = io.BytesIO()
        torch.save(checkpoint, file)
        file.seek(0)
        try:
            torch.load(file, weights_only=True)
        except Exception as error:
            if self.safe:
                reason = message_of(error, 200)
                warn(f"{name} is not saved, so that a resume begins this seed anew: it holds an object ({reason})")
            self.safe = False
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / name, lambda path: path.write_bytes(file.getbuffer()))


FOR_USE = ("pytorch-lightning_version", "global_step", "hyper_parameters", "loops")  # load_from_checkpoint's keys
