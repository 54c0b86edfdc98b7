"""dnnx.cost: counts of AlexNet that were computed by hand, receptive fields, and wrong settings in one line."""

from pathlib import Path

import pytest
import torch
from commands import compose, typed
from torch import nn

from dnnx.basics.errors import UserError
from dnnx.commands.cost import cost
from dnnx.evaluation.layer_costs import WHOLE, layer_costs, memory_mb
from dnnx.nets.resnet import Residual


def test_alexnet_costs_what_was_computed_by_hand() -> None:
    found = cost(compose("net=alexnet", name="cost"))
    assert found["params"] == 46_764_746
    assert found["multiply_adds"] == 938_146_176
    layers = {layer.name: layer for layer in found["layers"]}
    fields = [layers[f"features.{i}"].field for i in (1, 3, 7)]
    assert fields == [19, 67, 195]
    assert [layers[f"features.{i}.conv"].field for i in (0, 2, 4, 5, 6)] == [11, 51, 99, 131, 163]
    assert layers["head.hidden0"].field == WHOLE
    assert layers["features.2.conv"].multiply_adds / found["multiply_adds"] == pytest.approx(0.443, abs=5e-4)


def test_activations_grow_with_the_batch_and_weights_do_not() -> None:
    found = cost(compose("net=lenet", "batch_sizes=[1,10]", name="cost"))["memory_mb"]
    assert found[10]["activations"] == pytest.approx(10 * found[1]["activations"])
    assert found[10]["weights"] == found[1]["weights"] == 61_706 * 4 / 1e6
    assert found[1]["Adam"] == 2 * found[1]["weights"]


def test_a_branch_that_sees_more_decides_the_field_of_a_sum() -> None:
    net = nn.Sequential(Residual(4, 6, 2, False), nn.ConvTranspose2d(6, 3, 2, 2))
    layers = {layer.name: layer for layer in layer_costs(net, torch.empty(4, 8, 8))}
    assert layers["0.shortcut"].field == 1
    assert layers["0.conv2.conv"].field == 7  # 3 x 3 with stride 2, then 3 x 3
    assert layers["1"].field == 7


def test_a_layer_that_is_called_twice_has_its_parameters_once() -> None:
    layer = nn.Linear(3, 3)
    costs = layer_costs(nn.Sequential(layer, nn.ReLU(), layer), torch.empty(3))
    assert sum(own.params for own in costs) == 12
    assert sum(own.multiply_adds for own in costs) == 2 * 9
    assert memory_mb(costs, 1)["weights"] == pytest.approx(48 / 1e6)


class Loops(nn.Module):
    """A net that holds a parameter itself, and one of whose layers is never called: forward takes its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.rate, self.first, self.last = nn.Parameter(torch.ones(3)), nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(self.first(x) * self.rate, self.last.weight, self.last.bias)


def test_a_parameter_that_no_called_layer_holds_has_a_row_of_its_own() -> None:
    costs = layer_costs(net := Loops(), torch.empty(4))
    found = {own.name: own.params for own in costs}
    assert found == {"first": 15, "rate": 3, "last.weight": 6, "last.bias": 2}
    assert sum(own.params for own in costs) == sum(p.numel() for p in net.parameters())
    assert [own.activations for own in costs] == [3, 0, 0, 0]


def test_a_weight_in_two_layers_counts_once() -> None:
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    net[1].weight = net[0].weight
    assert [own.params for own in layer_costs(net, torch.empty(3))] == [9, 0]


def test_any_net_is_costed_on_its_data(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "class Rows(nn.Module):\n"
        "    def __init__(self, in_shape, num_outputs):\n"
        "        super().__init__()\n"
        "        self.cell, self.output = nn.LSTM(8, 5, batch_first=True), nn.Linear(5, num_outputs)\n"
        "    def forward(self, x):\n"
        "        return self.output(self.cell(x[:, 0])[0][:, -1])\n"
    )
    assert typed("commands.cost", "net._target_=mine.Rows", "data.source=digits", cwd=tmp_path) == (0, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["batch_sizes=[0]"], r"batch_sizes=\[0\]: whole numbers of at least 1"),
        (["in_shape=[1,-3,3]"], r"in_shape=\[1, -3, 3\]: whole numbers"),
        (["in_shape=[1,28,28]"], r"images of 28 x 28 are too small for its layer 3 \(MaxPool2d\)"),
    ],
)
def test_a_wrong_setting_is_one_line(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        cost(compose("net=alexnet", *words, name="cost"))
