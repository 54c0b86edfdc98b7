"""The grid: every point once, in one order for every search, also after interruptions; the published spaces."""

import optuna
import pytest
from commands import compose
from omegaconf import OmegaConf
from optuna.trial import TrialState

from dnnx.basics.errors import UserError
from dnnx.tuning.grid import Grid
from dnnx.tuning.sampler import PerTrial
from dnnx.tuning.space import Space

FEW = Space({"net.a": "choice(x,y,z)", "net.b": "range(0,4)"}, {})


def search(trials: int, interrupted: tuple[int, ...] = (), seed: int = 0) -> list[dict]:
    """Return the points of the trials that count."""
    study = optuna.create_study(sampler=PerTrial(lambda seed: Grid(FEW), seed, FEW))
    while sum(trial.state == TrialState.COMPLETE for trial in study.trials) < trials:
        trial = study.ask(FEW.distributions)
        if trial.number in interrupted:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, 0.0)
    return [trial.params for trial in study.trials if trial.state == TrialState.COMPLETE]


def test_every_point_is_tried_once_in_one_order_whatever_the_seed_and_the_interruptions() -> None:
    whole = search(12)
    assert {tuple(point.items()) for point in whole} == {tuple(point.items()) for point in FEW.points()}
    assert search(12, interrupted=(0, 5)) == search(12, seed=1) == whole
    assert search(5) == whole[:5]


def test_fewer_trials_than_points_are_spread_over_the_space() -> None:
    assert {point["net.a"] for point in search(6)} == {"x", "y", "z"}


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ({"optimizer.lr": "interval(1e-3,1e-1)"}, r"space\.optimizer\.lr=interval.*: a grid needs a list of values"),
        ({"net.a": "range(0,1000)", "net.b": "range(0,1000)"}, r"space=1,000,000 points: a grid has at most 100,000"),
    ],
)
def test_a_space_without_a_grid_is_one_line(space: dict[str, str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        Grid(Space(space, {}))


@pytest.mark.parametrize(("name", "points"), [("published_grid", 324), ("published_random", 9 * 4 * 5 * 9 * 8)])
def test_a_published_space_has_its_number_of_points_and_each_is_settings_of_a_run(name: str, points: int) -> None:
    cfg = compose(f"+sweep={name}", name="tune")
    plain = OmegaConf.to_container(cfg)
    assert isinstance(plain, dict)
    space = Space(plain["space"], plain["derived"])
    assert space.size() == points
    assert (cfg.folds, cfg.n_trials) == (3, {"published_grid": 324, "published_random": 40}[name])
    for point in space.corners():
        settings = space.settings(point)
        assert len(set(settings["net.hidden"])) == 1
        assert settings.get("optimizer.betas", [0.9, 0.999])[0] in (0.9, 0.99, 0.999)
