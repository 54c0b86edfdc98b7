"""A sampler without repetition: each trial has its own random stream, and no two trials have the same point."""

from collections.abc import Callable
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from dnnx.basics.seeding import derive
from dnnx.tuning.book import counting
from dnnx.tuning.space import MAX_POINTS, Params, Space
from dnnx.tuning.uninterrupted import as_if_uninterrupted, place_of

MAX_REDRAWS = 10


class PerTrial(BaseSampler):
    """Propose points with a new sampler for each trial, seeded by the study's seed and the trial's place.

    The place is the number of trials before it that count: an interrupted trial does not, so the next one draws the
    same point. No two workers share a stream. A point of another trial is drawn again; after several attempts, an
    untried point is chosen.
    """

    def __init__(self, build: Callable[[int], BaseSampler], seed: int, space: Space):
        self.build, self.seed, self.space = build, seed, space

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.space.distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        whole = getattr(study, "_study", study)  # of a bracket of Hyperband
        tried = {_key(other.params) for other in counting(whole) if other.number != trial.number}
        for attempt in range(MAX_REDRAWS):
            params = self._draw(study, trial, attempt)
            if _key(params) not in tried:
                return params
        if self.space.size() <= MAX_POINTS:  # of a larger one untried points are drawn
            untried = [point for point in self.space.points() if _key(point) not in tried]
            return untried[derive(self.seed, "untried", place_of(whole, trial)) % len(untried)] if untried else params
        return params

    def _draw(self, study: Study, trial: FrozenTrial, attempt: int) -> Params:
        study, trial = as_if_uninterrupted(study, trial, attempt)
        self.sampler = self.build(derive(self.seed, "sampler", trial.number, attempt) % 2**32)
        self.sampler.before_trial(study, trial)
        known = self.sampler.infer_relative_search_space(study, trial)
        drawn = self.sampler.sample_relative(study, trial, known)
        for name, distribution in self.space.distributions.items():
            if name not in drawn:
                drawn[name] = self.sampler.sample_independent(study, trial, name, distribution)
        return {name: drawn[name] for name in self.space.distributions}

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        raise AssertionError(f"{name} is in the space, which is drawn as a whole")

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        if hasattr(self, "sampler"):
            self.sampler.after_trial(study, trial, state, values)


def _key(params: Params) -> tuple:
    return tuple(sorted(params.items()))
