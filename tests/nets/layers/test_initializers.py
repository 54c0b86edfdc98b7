"""Initializers: spread and bound of each against its closed form, and their effect through SELU layers."""

import math

import pytest
import torch
from scipy import stats
from torch import nn

from dnnx.nets.dense import DenseNet
from dnnx.nets.layers.initializers import BIASES, INITIALIZERS

FAN_IN, FAN_OUT = 400, 250  # 100,000 weights: the standard error of their deviation is 0.2 %
STD = {
    "he": math.sqrt(2 / FAN_IN),
    "he_average": math.sqrt(2) * math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "lecun": math.sqrt(1 / FAN_IN),
    "glorot": math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "unit": 1.0,
}
BOUND = {
    "he": math.sqrt(6 / FAN_IN),
    "he_average": math.sqrt(2) * math.sqrt(6 / (FAN_IN + FAN_OUT)),
    "lecun": math.sqrt(3 / FAN_IN),
    "glorot": math.sqrt(6 / (FAN_IN + FAN_OUT)),
    "unit": math.sqrt(3),
}


def initialized(name: str) -> torch.Tensor:
    torch.manual_seed(0)
    layer = nn.Linear(FAN_IN, FAN_OUT)
    INITIALIZERS[name](layer)
    assert (layer.bias == 0).all()
    assert layer.weight.requires_grad
    return layer.weight.detach().double()


def test_every_initializer_of_the_list_exists() -> None:
    drawn = {f"{scheme}_{kind}" for scheme in STD for kind in ("normal", "uniform")}
    assert set(INITIALIZERS) == drawn | {"constant"}


@pytest.mark.parametrize("mode", ["normal", "uniform"])
def test_he_is_kaiming_of_torch_and_glorot_is_xavier(mode: str) -> None:
    layer, other = nn.Linear(FAN_IN, FAN_OUT), torch.empty(FAN_OUT, FAN_IN)
    torchs = {"he": nn.init.__dict__[f"kaiming_{mode}_"], "glorot": nn.init.__dict__[f"xavier_{mode}_"]}
    for scheme, theirs in torchs.items():
        torch.manual_seed(1)
        INITIALIZERS[f"{scheme}_{mode}"](layer)
        torch.manual_seed(1)
        theirs(other, **({"nonlinearity": "relu"} if scheme == "he" else {}))
        torch.testing.assert_close(layer.weight, other)


def test_a_constant_is_one_value_for_a_layer_another_for_the_next_and_keeps_hes_variance() -> None:
    torch.manual_seed(0)
    layer, values = nn.Linear(FAN_IN, 3), []
    for _ in range(4000):
        INITIALIZERS["constant"](layer)
        assert len(layer.weight.unique()) == 1
        values.append(layer.weight[0, 0].item())
    assert len(set(values)) == len(values)
    variance_of_sum = (FAN_IN * torch.tensor(values)).var().item()  # of fan-in equal inputs of 1
    assert variance_of_sum == pytest.approx(2, rel=0.1)


def test_random_biases_are_normal_and_others_zero() -> None:
    biases = BIASES["normal"](torch.empty(100_000))
    assert stats.kstest(biases.numpy(), "norm", args=(0, 0.05)).pvalue > 0.01
    assert (BIASES["zeros"](torch.ones(9)) == 0).all()


@pytest.mark.parametrize("scheme", STD)
def test_normal_weights_have_the_deviation_of_the_formula_and_normal_tails(scheme: str) -> None:
    weights = initialized(f"{scheme}_normal") / STD[scheme]
    assert weights.std().item() == pytest.approx(1, rel=0.01)
    assert abs(weights.mean().item()) < 0.015
    assert (weights.abs() > 2).double().mean().item() == pytest.approx(0.0455, rel=0.1)
    assert 3.5 < weights.abs().max().item() < 6


@pytest.mark.parametrize("scheme", BOUND)
def test_uniform_weights_fill_the_bound_of_the_formula_evenly(scheme: str) -> None:
    weights = initialized(f"{scheme}_uniform") / BOUND[scheme]
    assert 0.999 < weights.abs().max().item() <= 1 + 1e-6
    assert weights.std().item() == pytest.approx(1 / math.sqrt(3), rel=0.01)
    assert (weights.abs() < 0.5).double().mean().item() == pytest.approx(0.5, abs=0.01)


def after_20_layers(init: str) -> tuple[float, float]:
    torch.manual_seed(0)
    net = DenseNet(300, [300] * 20, 5, activation="selu", init=init)
    with torch.no_grad():
        _, activations = net(torch.randn(500, 300), return_activations=True)
    last = activations["hidden_layers.19"]
    return last.mean().item(), last.var().item()


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_selu_with_lecun_keeps_mean_0_and_variance_1_through_20_layers(kind: str) -> None:
    mean, variance = after_20_layers(f"lecun_{kind}")
    assert abs(mean) < 0.1
    assert abs(variance - 1) < 0.15


def test_selu_with_he_does_not() -> None:
    mean, variance = after_20_layers("he_normal")
    assert abs(mean) > 0.1 or abs(variance - 1) > 0.15
    assert variance > 1.5
