"""Self-normalization: twenty layers keep mean 0 and variance 1; check and numbers show each usual mistake."""

from pathlib import Path
from typing import Any

import pytest
import torch
from commands import compose
from torch import Tensor

from dnnx.basics.errors import UserError
from dnnx.config.build import build
from dnnx.nets.dense import DenseNet
from dnnx.nets.layers.self_normalizing import check_input
from dnnx.train import train
from dnnx.training.replicas import Replicas

SELU20: dict[str, Any] = {"hidden": [100] * 20, "activation": "selu", "init": "lecun_normal"}
MISTAKES: dict[str, dict[str, Any]] = {
    "init": {"init": "he_normal"},
    "dropout_kind": {"dropout": 0.1, "dropout_kind": "plain"},
    "activation": {"activation": "elu"},
    "norm": {"norm": "batch"},
}


def noise() -> Tensor:
    x = torch.randn(1024, 784, generator=torch.Generator().manual_seed(0))
    return (x - x.mean(0)) / x.std(0)


def through_depth(x: Tensor, **net: Any) -> tuple[Tensor, Tensor]:
    """Mean and variance of the activations of 20 layers in training mode at initialization, [layers, seeds]."""
    replicas = Replicas(lambda: DenseNet(x.shape[-1], num_outputs=10, **SELU20 | net), seeds=range(5))
    with torch.no_grad():
        _, activations = replicas(x, shared=True, return_activations=True)
    flat = torch.stack([values.flatten(1) for values in activations.values()])
    return flat.mean(-1), flat.var(-1)


def in_band(mean: Tensor, var: Tensor) -> bool:
    return bool((mean.abs() < 0.1).all() and ((var - 1).abs() < 0.15).all())


@pytest.mark.parametrize(
    "dropout", [{}, {"dropout": 0.1, "dropout_kind": "alpha"}, {"dropout": 0.1, "input_dropout": 0.1}]
)
def test_every_one_of_twenty_layers_has_mean_0_and_variance_1_in_every_seed(dropout: dict[str, Any]) -> None:
    mean, var = through_depth(noise(), **dropout | {"dropout_kind": "alpha", "self_normalizing": True})
    assert mean.shape == (20, 5)
    assert in_band(mean, var), (mean.abs().max(), var.min(), var.max())


@pytest.mark.parametrize("broken", MISTAKES)
def test_the_check_names_each_mistake_and_all_but_batch_norm_leave_the_band(broken: str) -> None:
    assert in_band(*through_depth(noise(), **MISTAKES[broken])) == (broken == "norm")
    with pytest.raises(
        UserError, match=rf"^net\.{broken}=.*; type net\.{broken}=.* or net\.self_normalizing=false"
    ) as told:
        through_depth(noise(), **MISTAKES[broken], self_normalizing=True)
    assert "\n" not in str(told.value)


def test_inputs_from_0_to_1_leave_the_band_and_the_check_says_so() -> None:
    x = (noise() / 6 + 0.5).clamp(0, 1)
    assert not in_band(*through_depth(x))
    with pytest.raises(UserError, match=r"^data=means 0\.50 to 0\.50.*type data.standardize=true, or net.self_norm"):
        check_input([(x, torch.zeros(len(x)))])


def batches(x: Tensor) -> list[tuple[Tensor, Tensor]]:
    return [(some, torch.zeros(some.shape[:-1])) for some in x.split(100, dim=-2)]


def test_standardized_inputs_pass_and_so_does_a_pixel_that_is_always_0() -> None:
    x = noise()
    x[:, 3] = 0
    check_input(batches(x))
    check_input(batches(x.expand(2, -1, -1)))  # each seed has its own images


@pytest.mark.parametrize(("scale", "shift"), [(1.3, 0), (0.7, 0), (1, 0.3), (0, 0.3), (1, -0.3)])
def test_one_unstandardized_feature_fails_the_check(scale: float, shift: float) -> None:
    x = noise()
    x[:, 5] = scale * x[:, 5] + shift
    with pytest.raises(UserError, match="mean 0 and standard deviation 1 per feature"):
        check_input(batches(x))


def test_a_run_checks_its_own_training_images_before_it_trains(tmp_path: Path) -> None:
    cfg = compose("+exp=dense5", "+debug=smoke", "net=selu20")
    with pytest.raises(UserError, match=r"^data=means 0\.00 to"):
        train(cfg, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("net", ["dense20", "dense20_bn", "selu20", "selu20_alpha"])
def test_the_configs_of_twenty_layers_have_twenty_layers(net: str) -> None:
    made = build("net", compose(f"net={net}").net, in_shape=8, num_outputs=3)
    assert [block.linear.out_features for block in made.hidden_layers] == [100] * 20  # type: ignore[union-attr]
    kinds = {type(part).__name__ for part in made.modules()}
    expected = {
        "dense20": {"ELU"},
        "dense20_bn": {"ELU", "BatchNorm1d"},
        "selu20": {"SELU"},
        "selu20_alpha": {"SELU", "AlphaDropout"},
    }
    assert kinds - {"DenseNet", "DenseBlock", "ModuleList", "Linear", "Identity"} == expected[net]
    std = made.hidden_layers[1].linear.weight.std().item()  # type: ignore[operator, union-attr]
    assert std == pytest.approx((1 if "selu" in net else 2**0.5) / 10, rel=0.05)
