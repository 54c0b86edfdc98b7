"""PlusMinus: half the squared error on -1 and +1, and the classes by the sign of the output."""

from types import SimpleNamespace

import pytest
import torch

from dnnx.basics.errors import UserError
from dnnx.tasks.plus_minus import PlusMinus


def test_an_output_of_zero_costs_a_half() -> None:
    y = torch.tensor([0, 1, 1])
    assert PlusMinus().loss(torch.zeros(3), y).tolist() == [0.5, 0.5, 0.5]
    assert PlusMinus().loss(torch.tensor([-1.0, 1, -1]), y).tolist() == [0, 0, 2]


def test_the_output_passes_through_tanh_unless_told_otherwise() -> None:
    z = torch.tensor([[[3.0], [-0.5]]])
    torch.testing.assert_close(PlusMinus().read(z), z[..., 0].tanh())
    torch.testing.assert_close(PlusMinus(squash=False).read(z), z[..., 0])


def test_metrics_count_signs() -> None:
    y = torch.tensor([0, 0, 1, 1])
    found = PlusMinus().measure(torch.tensor([-0.9, 0.2, 0.8, 0.1]), y)
    assert found["accuracy"] == 0.75
    assert found["confusion"] == [[1, 1], [0, 2]]
    assert found["auc"] == 0.75
    assert found["loss"] == pytest.approx(0.5 * (0.1**2 + 1.2**2 + 0.2**2 + 0.9**2) / 4)


def test_more_than_two_classes_are_one_line() -> None:
    with pytest.raises(UserError, match=r"^task=plus_minus: two classes are needed"):
        PlusMinus().num_outputs(SimpleNamespace(num_classes=None))
