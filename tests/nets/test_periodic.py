"""PeriodicNet: the waves by hand, a step that plain numbers learn late, seeds apart, and values that are refused."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from dnnx.basics.errors import UserError
from dnnx.basics.seeding import generator
from dnnx.nets.periodic import PeriodicFeatures, PeriodicNet
from dnnx.nets.small import SmallNet
from dnnx.training.replicas import Replicas


def test_a_feature_is_embedded_by_its_own_waves() -> None:
    torch.manual_seed(0)
    layer = PeriodicFeatures(features=2, waves=3, width=4, spread=0.5)
    x = torch.randn(5, 2)
    expected = []
    for feature in range(2):
        angles = 2 * math.pi * x[:, feature, None] * layer.frequencies[feature]
        waves = torch.cat([torch.sin(angles), torch.cos(angles)], 1)
        expected.append(torch.relu(waves @ layer.weight[feature] + layer.bias[feature]))
    torch.testing.assert_close(layer(x), torch.cat(expected, 1))


def test_the_first_frequencies_have_the_given_deviation() -> None:
    torch.manual_seed(0)
    assert PeriodicFeatures(20, 500, 1, 0.25).frequencies.std().item() == pytest.approx(0.25, rel=0.02)


def trained(build: Callable[[], nn.Module], seeds: list[int], steps: int) -> tuple[Replicas, torch.Tensor]:
    """Train on twelve steps up and down of one feature; return the replicas and the last losses of the seeds."""
    net = Replicas(build, seeds)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for step in range(steps):
        x = torch.stack([torch.rand(64, 1, generator=generator(seed, "batch", step)) * 4 - 2 for seed in seeds])
        loss = (net(x) - (3 * x).floor().remainder(2)).square().mean((1, 2))
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    return net, loss.detach()


def test_waves_learn_steps_that_a_plain_net_has_not_learned_yet() -> None:
    waves = trained(partial(PeriodicNet, 1, 1, [16], spread=1.0), [0, 1, 2], 200)[1]
    plain = trained(partial(SmallNet, 1, 1, [16], "relu"), [0, 1, 2], 200)[1]
    assert waves.max() < 0.15 < 0.2 < plain.min()


def test_a_seed_among_others_is_that_seed_alone() -> None:
    build = partial(PeriodicNet, 1, 1, [8], dropout=0.2, waves=2, width=3)
    together, alone = trained(build, [3, 7, 11], 5)[0], trained(build, [7], 5)[0]
    for key, value in alone.stacked_state().items():
        torch.testing.assert_close(together.stacked_state()[key][1:2], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"in_shape": (1, 28, 28)}, "features of a table"),
        ({"waves": 0}, "net.waves=0"),
        ({"hidden": [8, 2.5]}, "net.hidden=2.5"),
        ({"spread": -1.0}, "net.spread=-1.0"),
        ({"dropout": 1.0}, "net.dropout=1.0"),
    ],
)
def test_a_setting_that_makes_no_net_is_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told.replace(".", r"\.")):
        PeriodicNet(**({"in_shape": 3, "num_outputs": 1} | settings))  # type: ignore[arg-type]
