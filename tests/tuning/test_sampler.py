"""The sampler: the same trials in one go and in several, none of them twice."""

import optuna
import pytest
from optuna.trial import TrialState
from samplers import FLOATS, SAMPLERS, Build

from dnnx.tuning.sampler import PerTrial
from dnnx.tuning.space import Space

FEW = Space({"net.a": "choice(x,y,z)", "net.b": "range(0,4)"}, {})


def search(storage: optuna.storages.BaseStorage, build: Build, space: Space, trials: int, seed: int = 0) -> list[dict]:
    study = optuna.create_study(
        study_name="s", storage=storage, sampler=PerTrial(build, seed, space), load_if_exists=True, direction="maximize"
    )
    for _ in range(trials):
        trial = study.ask(space.distributions)
        study.tell(trial, sum(v for v in trial.params.values() if not isinstance(v, str)))
    return [trial.params for trial in study.get_trials()]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_resumed_search_goes_on_as_if_it_had_not_stopped_and_repeats_nothing(name: str) -> None:
    whole = search(optuna.storages.InMemoryStorage(), SAMPLERS[name], FLOATS, 8)
    storage = optuna.storages.InMemoryStorage()
    search(storage, SAMPLERS[name], FLOATS, 5)
    assert search(storage, SAMPLERS[name], FLOATS, 3) == whole
    assert len({tuple(params.items()) for params in whole}) == 8


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_finite_space_is_tried_without_repetition_to_its_last_point(name: str) -> None:
    tried = search(optuna.storages.InMemoryStorage(), SAMPLERS[name], FEW, 12)
    assert {tuple(params.items()) for params in tried} == {tuple(point.items()) for point in FEW.points()}


def test_another_seed_is_another_search() -> None:
    first, other = (search(optuna.storages.InMemoryStorage(), SAMPLERS["random"], FLOATS, 3, seed) for seed in (0, 1))
    assert first[0] != other[0]


def test_an_interrupted_trial_leaves_its_point_free() -> None:
    study = optuna.create_study(sampler=PerTrial(SAMPLERS["random"], 0, FEW))
    for _ in range(12):
        study.tell(study.ask(FEW.distributions), state=TrialState.FAIL)
    tried = {tuple(study.ask(FEW.distributions).params.items()) for _ in range(12)}
    assert len(tried) == 12
