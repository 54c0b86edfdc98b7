"""Activations: each name gives the function of that name."""

import math

import pytest
import torch

from dnnx.nets.layers.activations import ACTIVATIONS, make_activation


@pytest.mark.parametrize(
    ("name", "at_minus_one", "at_two"),
    [
        ("elu", math.exp(-1) - 1, 2),
        ("relu", 0, 2),
        ("leaky_relu", -0.01, 2),
        ("prelu", -0.25, 2),
        ("selu", 1.0507009873554805 * 1.6732632423543772 * (math.exp(-1) - 1), 2 * 1.0507009873554805),
        ("gelu", -0.5 * (1 + math.erf(-1 / math.sqrt(2))), 2 * 0.5 * (1 + math.erf(2 / math.sqrt(2)))),
        ("silu", -1 / (1 + math.e), 2 / (1 + math.exp(-2))),
        ("tanh", math.tanh(-1), math.tanh(2)),
        ("logistic", 1 / (1 + math.e), 1 / (1 + math.exp(-2))),
    ],
)
def test_an_activation_has_its_values(name: str, at_minus_one: float, at_two: float) -> None:
    values = ACTIVATIONS[name]()(torch.tensor([-1.0, 2.0]))
    torch.testing.assert_close(values, torch.tensor([at_minus_one, at_two], dtype=torch.float32))


@pytest.mark.parametrize(
    ("name", "at_minus_one"), [("elu", 0.5 * (math.exp(-1) - 1)), ("leaky_relu", -0.5), ("prelu", -0.5)]
)
def test_alpha_is_the_slope_or_the_limit(name: str, at_minus_one: float) -> None:
    values = make_activation(name, 0.5)(torch.tensor([-1.0, 2.0]))
    torch.testing.assert_close(values, torch.tensor([at_minus_one, 2]))


def test_prelu_learns_its_slope() -> None:
    prelu, x = make_activation("prelu"), torch.tensor([-2.0, -1.0, 3.0])
    prelu(x).sum().backward()
    [slope] = prelu.parameters()
    assert slope.grad is not None
    assert slope.grad.item() == -3  # the sum of what is below 0


def test_every_activation_has_a_gradient_and_keeps_the_shape() -> None:
    for activation in ACTIVATIONS.values():
        x = torch.ones(2, 3, requires_grad=True)
        activation()(x).sum().backward()
        assert x.grad is not None
        assert (x.grad > 0).all()
