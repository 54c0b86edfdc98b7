"""Grid: the sampler that tries every point of a finite space."""

import random
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from dnnx.basics.errors import require
from dnnx.tuning.space import MAX_POINTS, Params, Space


class Grid(BaseSampler):
    """Try every point of a space of choices and ranges once.

    The points have one shuffled order for all searches, so fewer trials than points are spread over the whole space.
    The place of a trial among those that count is the place of its point. Optuna's own GridSampler counts interrupted
    trials too, so a search that is continued would leave their points out.

    Example: `dnnx tune sampler=grid '+space={optimizer.lr: "choice(1e-3,1e-2)", data.batch_size: "choice(32,64)"}'`
    tries four points.
    """

    def __init__(self, space: Space):
        endless = [key for key, kind in space.distributions.items() if isinstance(kind, FloatDistribution)]
        told = "a grid needs a list of values; type choice(...) or range(...), or sampler=random"
        require(not endless, "space." + ", space.".join(endless), "interval(...)", told)
        told = f"a grid has at most {MAX_POINTS:,} points; give fewer values, or type sampler=random"
        require(space.size() <= MAX_POINTS, "space", f"{space.size():,} points", told)
        self.points = space.points()
        random.Random(0).shuffle(self.points)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> Params:
        return dict(self.points[trial.number % len(self.points)])

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        raise AssertionError(f"{name} is in the space, whose points are whole")
