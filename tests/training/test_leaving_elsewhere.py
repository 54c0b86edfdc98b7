"""Finished seeds also leave where a training is no run: the folds of a trial, the rates of a search, streamed data."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from commands import SMOKE, compose
from omegaconf import DictConfig
from safetensors.torch import load_file
from tuning_sweeps import compose_tuning

from dnnx.train import train
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


BLOBS = """
import torch
from torch.utils.data import TensorDataset

class Blobs(TensorDataset):
    def __init__(self):
        y = torch.arange(300) % 3
        super().__init__(torch.randn(300, 4, generator=torch.Generator().manual_seed(0)) + y[:, None], y)
"""
STREAMED = ["~callbacks.progress", "net.hidden=[9,8]", "optimizer=rmsprop", "seeds=4", "trainer.max_epochs=5",
            "trainer.accelerator=cpu"]  # fmt: skip


def test_seeds_leave_streamed_data_but_for_rounding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blobs.py").write_text(BLOBS)
    monkeypatch.syspath_prepend(str(tmp_path))

    def weights(name: str) -> dict[str, torch.Tensor]:
        cfg = compose(*STREAMED)
        cfg.data = {"_target_": "blobs.Blobs", "stream": True, "batch_size": 10}
        train(cfg, tmp_path / name)
        return load_file(tmp_path / name / "model.safetensors")

    left, stayed = both(weights, [3, 1, 1, 1])
    torch.testing.assert_close(left, stayed, rtol=1e-5, atol=1e-6)  # gradients of few, unaligned numbers
