"""A study as its sampler and pruner see it: without interrupted trials, each other one numbered by its place.

A search that a death or Ctrl-C interrupted thus goes on as one that nothing interrupted.
"""

from collections.abc import Container
from copy import copy
from typing import Any

import optuna
from optuna import Study
from optuna.pruners import HyperbandPruner
from optuna.trial import FrozenTrial, TrialState

from dnnx.tuning.book import counting, was_interrupted


def place_of(study: Study, trial: FrozenTrial) -> int:
    """Return the number of trials before this one that count."""
    return sum(other.number < trial.number for other in counting(study))


def as_if_uninterrupted(study: Study, trial: FrozenTrial, attempt: int = 0) -> tuple[Study, FrozenTrial]:
    """Return views of a study and of a running trial for Optuna's samplers and pruners.

    `attempt` counts how often a point of the trial was drawn before. With Hyperband the view holds the trials of the
    trial's bracket.
    """
    whole = getattr(study, "_study", study)  # of a bracket of Hyperband
    view, seen = copy(whole), copy(trial)
    seen.number = place_of(whole, trial)
    if isinstance(whole.pruner, HyperbandPruner) and not whole.pruner._pruners:
        whole.pruner._try_initialization(whole)  # it would put all trials before its first decision in one bracket
    view._storage = _Storage(whole._storage, seen.number - 2 + attempt)  # type: ignore[assignment]
    return optuna.pruners._filter_study(view, seen), seen


def should_prune(trial: Any) -> bool:
    """Return whether the pruner of its study would end a running trial now; a FixedTrial of Optuna has no study."""
    if isinstance(trial, optuna.trial.FixedTrial):
        return trial.should_prune()
    study = trial.study
    frozen = next(one for one in study.get_trials(deepcopy=False) if one.number == trial.number)
    return study.pruner.prune(*as_if_uninterrupted(study, frozen))


class _Storage:
    """A storage without interrupted trials. `last_id` is the number of the last point of Sobol's sequence."""

    def __init__(self, storage: Any, last_id: int):
        self.storage, self.last_id = storage, last_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = self.storage.get_all_trials(study_id, deepcopy=deepcopy)
        left = [copy(trial) for trial in trials if not was_interrupted(trial)]
        for place, trial in enumerate(left):
            trial.number = place
        return [trial for trial in left if states is None or trial.state in states]

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return _SystemAttrs(self.storage.get_study_system_attrs(study_id), self.last_id)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        if not key.startswith(OF_SOBOL):
            self.storage.set_study_system_attr(study_id, key, value)


OF_SOBOL = "qmc:"  # start of the key of the last number in Sobol's sequence, which interrupted trials raise too


class _SystemAttrs(dict[str, Any]):
    def __init__(self, found: dict[str, Any], last_id: int):
        super().__init__(found)
        self.last_id = last_id

    def get(self, key: str, default: Any = None) -> Any:
        return self.last_id if key.startswith(OF_SOBOL) else super().get(key, default)
