"""Finished seeds also leave where a training is no run: the folds of a trial and the rates of a search."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from commands import SMOKE, compose
from omegaconf import DictConfig
from tuning_sweeps import compose_tuning

from dnnx.training import module as modules
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.lr_search import grid
from dnnx.tuning.cross_validation import CrossValidation
from dnnx.tuning.space import Space

LAST = [2, 1, 4, 2, 3, 1]  # the epoch in which each replica is finished
TINY = [*SMOKE, "~callbacks.progress", "net.hidden=[9,8]", "optimizer=rmsprop", "data.batch_size=64"]


@contextmanager
def ending(leaves: bool) -> Iterator[list[int]]:
    """End each replica in its epoch of LAST; yield how many run after each epoch. Not `leaves`: nobody leaves."""
    plain, drop, running = EarlyStopping.on_train_epoch_end, modules.drop_finished, []

    def end(self: EarlyStopping, trainer: Any, module: Any) -> None:
        plain(self, trainer, module)
        self.active &= torch.tensor(LAST[: len(self.active)]) > trainer.current_epoch + 1
        trainer.should_stop = not bool(self.active.any())

    def counted(trainer: Any, module: Any) -> None:
        if leaves:
            drop(trainer, module)
        running.append(module.replicas.num_replicas)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EarlyStopping, "on_train_epoch_end", end)
        patch.setattr(modules, "drop_finished", counted)
        yield running


def both(measure: Callable[[str], Any], running: list[int]) -> tuple[Any, Any]:
    """Return the measures with replicas that leave and with all in the batch, after a check of how many ran."""
    with ending(leaves=True) as counted:
        left = measure("left")
    assert counted == running
    with ending(leaves=False) as counted:
        stayed = measure("stayed")
    assert len(set(counted)) == 1, "nobody leaves"
    return left, stayed


class Sure(optuna.trial.FixedTrial):
    """A trial of given values that is never pruned."""

    @property
    def params(self) -> dict[str, Any]:
        return self._params


def test_the_folds_of_a_trial_leave_with_the_same_score(tmp_path: Path) -> None:
    words = ["optimizer=rmsprop", 'trial=["trainer.max_epochs=5"]']

    def score(name: str) -> tuple[float, dict[str, Any]]:
        cfg: DictConfig = compose_tuning(*words)
        space = Space({"optimizer.lr": "interval(1e-3,1e-2)"}, {})
        validation = CrossValidation(cfg, space, lambda more: compose_tuning(*words, *more), tmp_path / name)
        trial: Any = Sure({"optimizer.lr": 3e-3})
        value = validation.score(trial)
        return value, {key: own for key, own in trial.user_attrs.items() if key != "seconds"}

    left, stayed = both(score, [2, 1, 1, 1])
    assert left == stayed


def test_the_rates_of_a_search_leave_with_the_same_losses(tmp_path: Path) -> None:
    cfg = compose(*TINY, "lr_search=grid", "lr_search.rates=[1e-3,3e-3,1e-2]")
    left, stayed = both(lambda name: grid(cfg, [0, 1], tmp_path / name, [1e-3, 3e-3, 1e-2], 5)[1], [4, 2, 1, 1])
    assert torch.equal(left, stayed)
