"""SmallNet: given weights, no hidden layer, and a gradient that leaves out the last derivative."""

from typing import Any

import pytest
import torch
from modules import make
from torch import nn

from dnnx.basics.errors import UserError
from dnnx.nets.small import SmallNet
from dnnx.tasks.classification import Classification
from dnnx.tasks.regression import Regression
from dnnx.training.checks import draws_nothing


def linear(net: SmallNet) -> list[nn.Linear]:
    return [layer for layer in net.layers if isinstance(layer, nn.Linear)]


def test_without_hidden_layers_it_is_linear() -> None:
    net = SmallNet((2, 3), 4)
    x = torch.randn(5, 2, 3)
    [layer] = linear(net)
    torch.testing.assert_close(net(x), x.flatten(1) @ layer.weight.T + layer.bias)


def test_given_weights_are_taken_as_they_are_or_fill_a_layer() -> None:
    net = SmallNet(2, 1, [3], weights=[[[1, 2], [3, 4], [5, 6]], 0.5], biases=[[7, 8, 9], 10])
    first, last = linear(net)
    assert first.weight.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert (first.bias.tolist(), last.weight.tolist(), last.bias.tolist()) == ([7, 8, 9], [[0.5] * 3], [10])


def test_random_weights_are_uniform_within_their_spread() -> None:
    torch.manual_seed(0)
    net = SmallNet(100, 50, spread=0.5, bias=0.1)
    [layer] = linear(net)
    weight = layer.weight
    assert 0.49 < weight.abs().max() <= 0.5
    assert weight.std().item() == pytest.approx(0.5 / 3**0.5, rel=0.05)
    assert layer.bias.tolist() == pytest.approx([0.1] * 50)
    [kept] = linear(SmallNet(4, 2, weights=[None], biases=[3]))
    assert kept.weight.abs().max() <= 1
    assert kept.bias.tolist() == [3, 3]


def test_a_straight_through_activation_has_its_output_and_the_gradient_one() -> None:
    true, wrong = (SmallNet(2, 3, output_activation="logistic", straight_through=wrong, weights=[0.5], biases=[0.6])
                   for wrong in (False, True))  # fmt: skip
    x = torch.ones(1, 2)
    torch.testing.assert_close(true(x), wrong(x))
    for net in (true, wrong):
        net(x).sum().backward()
    s = torch.sigmoid(torch.tensor(1.6))
    slopes = [linear(net)[0].bias.grad for net in (true, wrong)]
    torch.testing.assert_close(slopes, [(s * (1 - s)).expand(3), torch.ones(3)])


def test_only_given_weights_leave_nothing_to_chance() -> None:
    assert draws_nothing(lambda: SmallNet(2, 1, weights=[1], biases=[0]))
    assert not draws_nothing(lambda: SmallNet(2, 1, biases=[0]))


def test_replicas_with_given_weights_stay_equal() -> None:
    net = {"num_outputs": 4, "weights": [0.5], "biases": [0.6], "output_activation": "logistic"}
    x, y = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.arange(4)
    module = make(SmallNet, Classification(), (2,), net, [0, 1], optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
    optimizer = module.make_optimizer()
    for _ in range(5):
        module.learn((x.expand(2, 4, 2), y.expand(2, 4)), optimizer)
    for value in module.replicas.stacked_state().values():
        assert torch.equal(value[0], value[1])


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"weights": [1, 2]}, r"net\.weights=\[1, 2\]: one entry for each of the 1 layers"),
        ({"weights": [[[1, 2, 3]]]}, r"net\.weights\.0=\(1, 3\): the shape \(1, 2\) is needed, \[outputs, inputs\]"),
        ({"biases": ["x"]}, r"net\.biases\.0=x: a number, or a list of numbers"),
        ({"weights": [[[1], [1, 2]]]}, r"net\.weights\.0=.*: a number, or a list of numbers of equal lengths"),
        ({"hidden": [0]}, r"net\.hidden=\[0\]: a list of widths"),
        ({"spread": -1}, r"net\.spread=-1: null, or a number of at least 0"),
        ({"straight_through": True}, r"net\.straight_through=True: it is the derivative of net\.output_activation"),
        ({"output_activation": "sigmoid"}, r"net\.output_activation=sigmoid: choose one of"),
    ],
)
def test_a_mistake_is_one_line(bad: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        SmallNet(2, 1, **bad)


@pytest.mark.parametrize(("name", "function", "low"), [("tanh", torch.tanh, -1), ("logistic", torch.sigmoid, 0)])
def test_an_output_activation_bounds_the_numbers_of_a_regression(name: str, function: Any, low: int) -> None:
    """`task=regression net=tiny net.output_activation=tanh` predicts numbers in [-1, 1]."""
    x = 10 * torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    linear_one = SmallNet(3, 1, [4, 4])
    torch.manual_seed(0)
    bounded = SmallNet(3, 1, [4, 4], output_activation=name)
    torch.testing.assert_close(bounded(x), function(linear_one(x)))
    assert low <= bounded(x).min() <= bounded(x).max() <= 1
    task = Regression()
    torch.testing.assert_close(task.loss(bounded(x), torch.ones(40, 1)), (bounded(x)[:, 0] - 1).square())
