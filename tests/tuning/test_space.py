"""A space in Hydra's grammar: its distributions in Optuna, and the settings of its points."""

from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from dnnx.basics.errors import UserError
from dnnx.tuning.space import Space


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("interval(0,0.5)", FloatDistribution(0, 0.5)),
        ("tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("int(interval(50,200))", IntDistribution(50, 200)),
        ("tag(log,int(interval(50,200)))", IntDistribution(50, 200, log=True)),
        ("range(3,7)", IntDistribution(3, 6)),  # as in Hydra, its end is not in it
        ("range(4,20,5)", IntDistribution(4, 19, step=5)),
        ("choice(elu,relu,elu)", CategoricalDistribution(["elu", "relu"])),
        ("null,batch", CategoricalDistribution(["null", "batch"])),
        ("choice([0.9,0.99],[0.5,0.5])", CategoricalDistribution(["[0.9,0.99]", "[0.5,0.5]"])),
    ],
)
def test_the_terms_of_hydra_become_distributions_of_optuna(text: str, distribution: Any) -> None:
    assert Space({"net.x": text}, {}).distributions == {"net.x": distribution}


def test_settings_hold_chosen_and_derived_values_and_no_variables() -> None:
    space = Space(
        {"width": "range(4,9)", "depth": "choice(2,3)", "net.norm": "null,batch", "optimizer": "adam,sgd"},
        {"net.hidden": "${dnnx.repeat:${width},${depth}}", "optimizer.betas": ["0.9", "0.${width}"]},
    )
    settings = space.settings({"width": 5, "depth": "3", "net.norm": "null", "optimizer": "sgd"})
    assert settings == {
        "net.norm": None, "optimizer": "sgd", "net.hidden": [5, 5, 5], "optimizer.betas": ["0.9", "0.5"],
    }  # fmt: skip


def test_the_corners_hold_every_choice_and_both_ends() -> None:
    corners = Space({"net.a": "choice(1,2,3)", "net.b": "interval(0,1)", "net.c": "range(2,6)"}, {}).corners()
    for key, ends in (("net.a", {"1", "2", "3"}), ("net.b", {0, 1}), ("net.c", {2, 5})):
        assert {corner[key] for corner in corners} >= ends


def test_a_finite_space_lists_its_points() -> None:
    space = Space({"net.a": "choice(x,y)", "net.b": "range(0,6,2)"}, {})
    assert space.size() == len(space.points()) == 6
    assert {(point["net.a"], point["net.b"]) for point in space.points()} == {(a, b) for a in "xy" for b in (0, 2, 4)}
    assert Space({"net.a": "interval(0,1)"}, {}).size() == float("inf")


@pytest.mark.parametrize(
    ("space", "derived", "says"),
    [
        ({}, {}, r"space=\{\}: there is nothing to tune"),
        ({"net.x": "0.5"}, {}, r"space\.net\.x=0\.5: one value alone is no space"),
        ({"net.x": "interval(1"}, {}, r"space\.net\.x=interval\(1: .*for example choice"),
        ({"net.x": "tag(log,interval(0,1))"}, {}, r"space\.net\.x=tag"),
        ({"net.x": "interval(2,1)"}, {}, r"space\.net\.x=interval\(2,1\)"),
        ({"width": "range(1,5)"}, {}, r"space\.width=range\(1,5\): no key of a run"),
    ],
)
def test_an_invalid_space_is_a_one_line_error(space: dict, derived: dict, says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        Space(space, derived)
    assert "\n" not in str(error.value)


def test_a_derived_key_without_source_is_a_one_line_error() -> None:
    space = Space({"width": "range(1,5)"}, {"net.hidden": "${dnnx.repeat:${width},${depth}}"})
    with pytest.raises(UserError, match=r"derived: .*depth"):
        space.settings({"width": 3})


@pytest.mark.parametrize(
    "point",
    [{}, {"net.a": 0.5}, {"net.a": 2, "net.b": "x"}, {"net.a": 0.5, "net.b": "evil.Net"},
     {"net.a": "0.5", "net.b": "x"},
     {"net.a": 0.5, "net.b": "x", "net._target_": "evil.Net"}],
)  # fmt: skip
def test_a_stored_trial_that_is_no_point_of_the_space_is_refused(point: dict[str, object]) -> None:
    space = Space({"net.a": "interval(0,1)", "net.b": "choice(x,y)"}, {})
    space.require_point({"net.a": 0.5, "net.b": "x"}, 3)
    with pytest.raises(UserError, match="trial 3 of the storage is no point of the space"):
        space.require_point(point, 3)
