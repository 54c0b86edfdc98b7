"""Pruning trials: one report per epoch, of each fold's best so far; diverged ones fail, finished ones stay."""

from typing import Any

import optuna
import pytest
import torch
from fake_training import FakeTraining

from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.tuning import prune_trials
from dnnx.tuning.prune_trials import Prune, TrialFailed


@pytest.fixture(autouse=True)
def pruner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune_trials, "should_prune", lambda trial: trial.should_prune())


class Recorded(optuna.trial.FixedTrial):
    """Keep the reported values; ask to prune from an epoch on."""

    def __init__(self, prune_at: int = 1000):
        super().__init__({})
        self.reports: dict[int, float] = {}
        self.prune_at = prune_at

    def report(self, value: float, step: int) -> None:
        assert step not in self.reports
        self.reports[step] = value

    def should_prune(self) -> bool:
        return max(self.reports) >= self.prune_at


def run(trial: Any, losses: list[list[float]], patience: int = 2, max_epochs: int = 100, first_epoch: int = 1) -> None:
    prune = Prune(trial, lambda module, metrics: metrics["val/accuracy"], lambda epoch, mean: None)
    training = FakeTraining([EarlyStopping(patience), prune], seeds=range(len(losses[0])))
    training.trainer.max_epochs, training.module.first_epoch = max_epochs, first_epoch
    training.run(losses)


def test_each_epoch_reports_the_mean_of_each_folds_value_at_its_best_epoch() -> None:
    trial = Recorded()
    run(trial, [[0.5, 0.5], [0.3, 0.6], [0.4, 0.7], [0.1, 0.1]])  # the second is out of patience after epoch 3
    assert trial.reports == pytest.approx({1: 0.5, 2: 0.6, 3: 0.6, 4: 0.7})


def test_before_the_first_epoch_that_counts_the_newest_value_is_reported() -> None:
    trial = Recorded()
    run(trial, [[0.1, 0.2], [0.2, 0.4], [0.5, 0.6], [0.6, 0.4]], first_epoch=3)
    assert trial.reports == pytest.approx({1: 0.85, 2: 0.7, 3: 0.45, 4: 0.55})


def test_a_trial_is_pruned_when_the_pruner_says_so() -> None:
    trial = Recorded(prune_at=2)
    with pytest.raises(optuna.TrialPruned):
        run(trial, [[0.5], [0.4], [0.3]])
    assert list(trial.reports) == [1, 2]


@pytest.mark.parametrize(("patience", "max_epochs"), [(1, 100), (5, 2)])
def test_a_trial_that_is_finished_in_this_epoch_is_not_pruned(patience: int, max_epochs: int) -> None:
    trial = Recorded(prune_at=2)
    run(trial, [[0.5], [0.6]], patience, max_epochs)
    assert list(trial.reports) == [1, 2]


def test_a_fold_that_diverges_fails_the_trial_and_is_named() -> None:
    trial = Recorded()
    with pytest.raises(TrialFailed, match="the loss of fold 2 was not finite in epoch 2"):
        run(trial, [[0.5, 0.5], [0.4, torch.nan], [0.3, 0.3]])
    assert list(trial.reports) == [1]
