"""A net whose layers torch does not see is refused before it trains."""

import pytest
import torch
from torch import nn

from dnnx.basics.errors import UserError
from dnnx.training.replicas import Replicas


class Inner(nn.Module):
    def __init__(self, layers: object):
        super().__init__()
        self.layers = layers


class Outer(nn.Module):
    def __init__(self, layers: object):
        super().__init__()
        self.inner = Inner(layers)


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([nn.Linear(2, 2)], r"Outer\.inner\.layers are in a list .* nn\.ModuleList"),
        ({"a": nn.Linear(2, 2)}, r"Outer\.inner\.layers are in a dict .* nn\.ModuleDict"),
        ((nn.Parameter(torch.zeros(2)),), r"Outer\.inner\.layers are in a tuple .* nn\.ParameterList"),
    ],
)
def test_layers_in_a_container_of_python_are_refused(layers: object, says: str) -> None:
    with pytest.raises(UserError, match=says):
        Replicas(lambda: Outer(layers), [0])


def test_a_list_of_layers_that_torch_sees_is_taken() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(2, 2)
            self.order, self.widths = [self.first], [2, 2]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.order[0](x)

    assert Replicas(Net, [0])
    assert Replicas(lambda: Outer(nn.ModuleList([nn.Linear(2, 2)])), [0])
