"""A search that deaths interrupt tries the same points, and prunes the same ones, as one that nothing interrupts."""

import random
from collections.abc import Callable

import optuna
import pytest
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState
from samplers import FLOATS, SAMPLERS

from dnnx.tuning import book
from dnnx.tuning.sampler import PerTrial
from dnnx.tuning.uninterrupted import should_prune

PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "none": NopPruner,
    "halving": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    "hyperband": lambda: HyperbandPruner(min_resource=1, max_resource=4, reduction_factor=2),
    "median": lambda: MedianPruner(n_startup_trials=2),
}


def run(study: optuna.Study, pruner: str, dies: random.Random | None) -> None:
    """Run one trial of four epochs; with `dies` it may be killed in any of them."""
    trial = book.claim(study, FLOATS.distributions, 100)
    assert trial is not None
    value = 0.0
    for epoch in range(1, 5):
        if dies and dies.random() < 0.2:
            study.tell(trial, state=TrialState.FAIL)  # as a worker does for one that was killed
            study.pruner = PRUNERS[pruner]()  # that of the next process
            return
        value = (trial.params["net.a"] - trial.params["net.b"]) * epoch
        trial.report(value, epoch)
        if should_prune(trial):
            study.tell(trial, state=TrialState.PRUNED)
            return
    study.tell(trial, value)


def search(sampler: str, pruner: str, dies: random.Random | None = None, trials: int = 9) -> list[tuple]:
    """Return points, states and values of the trials that count."""
    study = optuna.create_study(
        study_name="s", sampler=PerTrial(SAMPLERS[sampler], 0, FLOATS), pruner=PRUNERS[pruner](), direction="maximize"
    )
    while len(book.counting(study)) < trials:
        run(study, pruner, dies)
    if dies:
        assert len(study.trials) > trials, "nothing died"
    return [(trial.params, trial.state, trial.value) for trial in book.counting(study)]


@pytest.mark.parametrize("pruner", PRUNERS)
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_deaths_change_no_trial_that_counts(sampler: str, pruner: str) -> None:
    whole = search(sampler, pruner)
    assert search(sampler, pruner, random.Random(1)) == whole
    if pruner != "none":
        assert TrialState.PRUNED in [state for _, state, _ in whole]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_deaths_change_no_sampler(sampler: str) -> None:
    whole = search(sampler, "halving")
    assert all(search(sampler, "halving", random.Random(seed)) == whole for seed in (1, 2))
