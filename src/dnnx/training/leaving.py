"""Finished seeds leave the batch: all that has a part for each replica goes on with the others alone."""

from typing import Any

from lightning.pytorch.callbacks import ModelSummary, ProgressBar

from dnnx.basics.per_replica import holds
from dnnx.optim import kept
from dnnx.techniques.base import overrides
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.replicas import Left


def drop_finished(trainer: Any, module: Any) -> None:
    """Drop the replicas of seeds that are out of patience or diverged, at the end of an epoch."""
    replicas = module.replicas
    for stopping in (callback for callback in trainer.callbacks if isinstance(callback, EarlyStopping)):
        finished = [place for place in replicas.running if not stopping.active[place]]
        if 0 < len(finished) < replicas.num_replicas and may_leave(trainer, module):
            drop(trainer, module, replicas.leaving(finished, trainer.global_step))


def drop(trainer: Any, module: Any, left: Left) -> None:
    """Go on with the replicas that are running according to `left`."""
    places = module.replicas.leave(left)
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
    sums = (module.train_sums, module.val_sums)
    for part in (*sums, *module.techniques.values(), *schedulers, trainer.datamodule):
        if hasattr(part, "keep"):
            part.keep(places)
    for optimizer in trainer.optimizers:
        kept.keep(optimizer, places)
    trainer.reload_dataloaders_every_n_epochs = 1  # it asks for the batches of the seeds that are left


def rejoin(trainer: Any, module: Any) -> None:
    """Let module and data be those of all seeds again, after training."""
    if module.replicas.left is not None:
        module.replicas.rejoin()
        trainer.datamodule.rejoin()


def may_leave(trainer: Any, module: Any) -> bool:
    """Return whether everything with a part for each replica is known; else finished seeds are computed on."""
    num = module.replicas.num_replicas
    schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
    return (
        hasattr(trainer.datamodule, "keep")
        and all(_takes_fewer(callback) for callback in trainer.callbacks)
        and all(overrides(t, "keep") or not holds(vars(t), num) for t in module.techniques.values())
        and all(hasattr(s, "keep") or _is_of("torch", s) or not holds(vars(s), num) for s in schedulers)
        and all(kept.may_leave(optimizer, num) for optimizer in trainer.optimizers)
    )


def _takes_fewer(callback: Any) -> bool:
    """Return whether a callback still works when the tensors of the module are of fewer seeds."""
    known = _is_of("dnnx", callback) or isinstance(callback, ProgressBar | ModelSummary)
    return known or getattr(callback, "takes_fewer_seeds", False)


def _is_of(package: str, value: Any) -> bool:
    return type(value).__module__.split(".")[0] == package
