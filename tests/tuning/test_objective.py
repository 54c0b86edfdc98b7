"""The objective of a tuning is any metric of the task, in the direction in which it is better."""

import pytest

from dnnx.basics.errors import UserError
from dnnx.tasks.classification import Classification
from dnnx.tasks.metric import Metric
from dnnx.tasks.regression import Regression
from dnnx.tuning.objective import settle


def test_the_default_is_the_first_metric_that_is_no_loss() -> None:
    assert settle(None, None, Classification.metrics) == ("accuracy", "maximize")
    assert settle(None, None, Regression("°C").metrics) == ("mae", "minimize")
    assert settle(None, None, {"loss": Metric(better="lower")}) == ("loss", "minimize")


def test_the_direction_follows_the_metric() -> None:
    assert settle("r2", None, Regression().metrics) == ("r2", "maximize")
    assert settle("loss", "minimize", Classification.metrics) == ("loss", "minimize")


def test_a_metric_without_direction_takes_the_typed_one() -> None:
    metrics = {"loss": Metric(better="lower"), "drift": Metric()}
    assert settle("drift", "minimize", metrics) == ("drift", "minimize")
    with pytest.raises(UserError, match="objective=drift has no direction; type direction=maximize"):
        settle("drift", None, metrics)


@pytest.mark.parametrize(
    ("objective", "direction", "told"),
    [("acuracy", None, "objective=acuracy: choose one of accuracy"), ("accuracy", "minimize", "higher is better")],
)
def test_a_metric_that_the_task_has_not_and_its_worse_direction_are_refused(objective, direction, told) -> None:
    with pytest.raises(UserError, match=told):
        settle(objective, direction, Classification.metrics)
