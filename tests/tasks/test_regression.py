"""Regression: the metrics are scikit-learn's, a run learns a linear function, targets of a wrong shape are refused."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from modules import make
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from dnnx.basics.errors import UserError
from dnnx.nets.dense import DenseNet
from dnnx.tasks.regression import Regression


def predictions(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    y = 3 * torch.randn(*shape, generator=g) + 1
    return y + torch.randn(*shape, generator=g), y


@pytest.mark.parametrize("shape", [(50, 1), (50, 3)])
def test_metrics_are_those_of_scikit_learn(shape: tuple[int, ...]) -> None:
    outputs, y = predictions(*shape)
    found = Regression().measure(outputs, y)
    ours, theirs = outputs.double().numpy(), y.double().numpy()
    assert found["mae"] == pytest.approx(mean_absolute_error(theirs, ours))
    assert found["r2"] == pytest.approx(r2_score(theirs, ours))
    assert found["rmse"] == pytest.approx(root_mean_squared_error(theirs.ravel(), ours.ravel()))
    assert found["loss"] == pytest.approx(float(np.square(ours - theirs).mean()))


def test_a_target_without_an_axis_counts_as_one_target() -> None:
    outputs, y = predictions(50, 1)
    task = Regression()
    assert task.measure(outputs, y[:, 0]) == pytest.approx(task.measure(outputs, y))
    torch.testing.assert_close(task.loss(outputs, y[:, 0]), task.loss(outputs, y))
    torch.testing.assert_close(task.per_example(outputs, y[:, 0])["mae"], (outputs - y).abs()[:, 0])


def test_the_loss_is_the_squared_error_of_each_example() -> None:
    outputs, y = predictions(20, 3)
    torch.testing.assert_close(Regression().loss(outputs, y), F.mse_loss(outputs, y, reduction="none").mean(1))


def test_the_unit_of_the_target_is_that_of_mae_and_rmse_alone() -> None:
    metrics = Regression(unit="kg").metrics
    assert {name: metric.unit for name, metric in metrics.items()} == {"loss": "", "mae": "kg", "rmse": "kg", "r2": ""}
    assert [metrics[name].better for name in ("loss", "mae", "rmse", "r2")] == ["lower"] * 3 + ["higher"]


def test_the_ensemble_is_the_mean_of_the_outputs() -> None:
    outputs = torch.stack([predictions(20, 2)[0], predictions(20, 2)[1]])
    torch.testing.assert_close(Regression().ensemble(outputs), outputs.double().mean(0))


def test_outputs_of_another_shape_than_the_targets_are_one_line() -> None:
    with pytest.raises(UserError, match=r"^net: its outputs \(20, 2\) do not fit task=Regression with targets \(20,\)"):
        Regression().check_outputs(torch.zeros(20, 2), torch.zeros(20))


def test_each_seed_learns_a_linear_function() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, 256, 4, generator=g)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5], [0.0]])
    net = {"hidden": [16], "num_outputs": 1}
    module = make(DenseNet, Regression(), (4,), net, [0, 1], optimizer=lambda p: torch.optim.Adam(p, lr=1e-2))
    optimizer = module.make_optimizer()
    first = module.learn((x, y), optimizer)[-1].mean(-1)
    for _ in range(300):
        last = module.learn((x, y), optimizer)[-1].mean(-1)
    assert (last < 0.05 * first).all()
