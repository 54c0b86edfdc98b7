"""TwinTower: two towers of their own or one for both, under one logit."""

import pytest
import torch

from dnnx.basics.errors import UserError
from dnnx.nets.twin_tower import TwinTower


def pairs(n: int = 7) -> torch.Tensor:
    return torch.rand(n, 2, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_the_sizes_are_those_of_the_exercise(norm: str | None) -> None:
    net = TwinTower((2, 784), [100] * 5, norm=norm)
    norms = 0 if norm is None else 5 * (100 if norm == "batch" else 200)  # batch norm takes a bias away
    tower = 784 * 100 + 4 * 100 * 100 + 5 * 100 + norms
    assert sum(p.numel() for p in net.tower_a.parameters()) == tower
    assert sum(p.numel() for p in net.parameters()) == 2 * tower + 200 * 10 + 10 + 10 + 1


def test_towers_see_one_image_each() -> None:
    net, x = TwinTower((2, 12), [8, 6]), pairs()
    _, activations = net(x, return_activations=True)
    assert list(activations) == [f"{tower}.hidden_layers.{i}" for tower in ("tower_a", "tower_b") for i in (0, 1)]
    torch.testing.assert_close(activations["tower_a.hidden_layers.1"], net.tower_a(x[:, 0]))
    torch.testing.assert_close(activations["tower_b.hidden_layers.1"], net.tower_b(x[:, 1]))
    expected = net.head(torch.cat([net.tower_a(x[:, 0]), net.tower_b(x[:, 1])], 1))[:, 0]
    torch.testing.assert_close(net(x), expected)
    assert not torch.equal(net.tower_a(x[:, 0]), net.tower_b(x[:, 0]))


def test_a_shared_tower_exists_once_and_sees_both_images() -> None:
    net, x = TwinTower((2, 12), [8, 6], shared=True), pairs()
    assert not any(name.startswith("tower_b") for name in net.state_dict())
    expected = net.head(torch.cat([net.tower_a(x[:, 0]), net.tower_a(x[:, 1])], 1))[:, 0]
    torch.testing.assert_close(net(x), expected)


def test_a_value_that_is_not_a_boolean_is_a_one_line_error() -> None:
    with pytest.raises(UserError, match=r"net\.shared=yes: true for one tower"):
        TwinTower((2, 12), [8], shared="yes")  # type: ignore[arg-type]
