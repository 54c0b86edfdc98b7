"""DenseNet: any depth and width, every option by name, blocks from the bottom, and refused values."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dnnx.basics.errors import UserError
from dnnx.nets.dense import DenseNet
from dnnx.nets.layers.activations import ACTIVATIONS
from dnnx.nets.layers.dropout import AlphaDropout, Dropout
from dnnx.nets.layers.initializers import INITIALIZERS

share = st.sampled_from([0.0, 0.2, 0.9])


def seeded(seed: int = 0, **net: Any) -> Any:
    torch.manual_seed(seed)
    return DenseNet(6, num_outputs=3, **({"hidden": [8, 7, 4]} | net))


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6), st.sampled_from([*ACTIVATIONS]),
    st.sampled_from([*INITIALIZERS]), st.sampled_from([None, "batch", "layer"]), share, share,
)  # fmt: skip
def test_any_depth_width_and_options_train(
    hidden: list[int], activation: str, init: str, norm: str | None, dropout: float, input_dropout: float
) -> None:
    rates: dict[str, Any] = {"dropout": dropout, "input_dropout": input_dropout}
    net = DenseNet(6, hidden, 3, activation=activation, init=init, norm=norm, **rates)
    logits, activations = net(torch.randn(10, 6), return_activations=True)
    assert logits.shape == (10, 3)
    assert [value.shape for value in activations.values()] == [(10, width) for width in hidden]
    assert list(activations) == [f"hidden_layers.{i}" for i in range(len(hidden))]
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_densenet5_has_its_number_of_parameters() -> None:
    net = DenseNet(784, [100] * 5, 5)
    expected = sum(below * above + above for below, above in pairwise([784, *[100] * 5, 5]))
    assert sum(p.numel() for p in net.parameters()) == expected == 119_405


def test_a_block_is_linear_then_norm_then_activation_then_dropout() -> None:
    block = seeded(norm="layer", activation="selu", dropout=0.5).hidden_layers[0]
    kinds = [nn.Linear, nn.LayerNorm, nn.SELU, Dropout]
    assert [type(layer) for layer in block.children()] == kinds
    assert [name for name, _ in block.named_children()] == ["linear", "norm", "activation", "dropout"]


def test_the_output_is_linear_without_norm_or_dropout() -> None:
    net = seeded(norm="batch", dropout=0.9).eval()
    x = torch.randn(10, 6)
    logits, activations = net(x, return_activations=True)
    torch.testing.assert_close(logits, activations["hidden_layers.2"] @ net.output.weight.T + net.output.bias)
    assert torch.equal(logits, net(x))


def test_the_first_blocks_can_be_reused() -> None:
    net = seeded(input_dropout=0.3).eval()
    x = torch.randn(10, 6)
    _, activations = net(x, return_activations=True)
    assert torch.equal(nn.Sequential(*net.hidden_layers[:2])(x), activations["hidden_layers.1"])


def test_a_linear_layer_has_no_bias_before_batch_norm_and_one_otherwise() -> None:
    for norm in (None, "batch", "layer"):
        names = [name for name, _ in seeded(norm=norm).named_parameters() if name.endswith("linear.bias")]
        assert len(names) == (0 if norm == "batch" else 3)


ALL = ["input", "before", "logits"]


def norms(net: DenseNet) -> list[str]:
    return [name for name, module in net.named_modules() if isinstance(module, nn.BatchNorm1d | nn.LayerNorm)]


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_a_norm_is_where_it_is_asked_for_and_nowhere_else(norm: str) -> None:
    hidden = [f"hidden_layers.{i}.norm" for i in range(3)]
    places = {"input": ["input_norm"], "before": hidden, "after": hidden, "logits": ["logits_norm"]}
    for place, expected in places.items():
        assert norms(seeded(norm=norm, norm_at=place)) == expected
    assert norms(seeded(norm=norm, norm_at=ALL)) == ["input_norm", *hidden, "logits_norm"]
    assert not norms(seeded())


def test_after_the_activation_the_block_ends_with_the_norm_and_dropout() -> None:
    block = seeded(norm="batch", norm_at="after", dropout=0.5).hidden_layers[0]
    assert [name for name, _ in block.named_children()] == ["linear", "activation", "norm", "dropout"]


@pytest.mark.parametrize(("place", "without"), [("input", []), ("before", [0, 1, 2]), ("after", []), ("logits", [3])])
def test_only_a_linear_layer_right_before_batch_norm_has_no_bias(place: str, without: list[int]) -> None:
    for norm, lacking in (("batch", without), ("layer", [])):
        net = seeded(norm=norm, norm_at=place)
        layers = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
        assert [i for i, layer in enumerate(layers) if layer.bias is None] == lacking


def test_normalized_inputs_hidden_outputs_and_logits_have_mean_0_and_variance_1() -> None:
    net, x = seeded(norm="batch", norm_at=ALL), 5 + 3 * torch.randn(200, 6)
    seen: list[torch.Tensor] = []
    net.hidden_layers[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    logits = net(x)
    after = seeded(norm="batch", norm_at="after")(x, return_activations=True)[1]
    for values in (seen[0], after["hidden_layers.1"], logits):
        torch.testing.assert_close(values.mean(0), torch.zeros(values.shape[1]), atol=1e-4, rtol=0)
        torch.testing.assert_close(values.var(0, correction=0), torch.ones(values.shape[1]), atol=0.02, rtol=0)
    torch.testing.assert_close(seen[0], (x - x.mean(0)) / x.std(0, correction=0), atol=1e-3, rtol=0)


@pytest.mark.parametrize("momentum", [None, 0.01, 1.0])
def test_momentum_is_the_weight_of_a_batch_in_the_running_mean(momentum: float | None) -> None:
    net, x = seeded(norm="batch", norm_at="input", norm_momentum=momentum), torch.randn(50, 6)
    net(x)
    expected = (0.1 if momentum is None else momentum) * x.mean(0)
    torch.testing.assert_close(net.input_norm.running_mean, expected)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_epsilon_is_added_to_the_variance(norm: str) -> None:
    net, x = seeded(norm=norm, norm_at="input", norm_epsilon=0.5), torch.randn(50, 6)
    axis = {"batch": 0, "layer": 1}[norm]
    expected = (x - x.mean(axis, keepdim=True)) / (x.var(axis, keepdim=True, correction=0) + 0.5).sqrt()
    torch.testing.assert_close(net.input_norm(x), expected)


def test_constant_weights_make_the_units_of_every_layer_equal_and_random_biases_tell_them_apart() -> None:
    x = torch.randn(50, 6)
    for bias_init, equal in (("zeros", True), ("normal", False)):
        _, activations = seeded(init="constant", bias_init=bias_init)(x, return_activations=True)
        for values in activations.values():
            assert (values.std(1).max() < 1e-6) == equal
            assert values.std() > 1e-3
    assert len(seeded(init="constant").state_dict()["output.weight"].unique()) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"dropout": 0.3}, {"input_dropout": 0.3}, {"norm": "batch"}, {"norm": "layer"}, {"activation": "selu"},
        {"activation": "prelu"}, {"bias_init": "normal"}, {"norm": "batch", "norm_at": ALL},
    ],
)  # fmt: skip
def test_arms_that_differ_in_the_place_of_the_norm_start_from_the_same_weights(other: dict[str, Any]) -> None:
    plain, arm = dict(seeded().named_parameters()), dict(seeded(**other).named_parameters())
    shared = [name for name in plain if name in arm and name.endswith("weight")]
    assert len(shared) == 4
    assert all(torch.equal(plain[name], arm[name]) for name in shared)


def test_dropout_is_on_the_input_or_after_every_block_as_asked() -> None:
    x = torch.ones(50, 6)
    net = seeded(dropout=0.5)
    _, activations = net(x, return_activations=True)
    assert all((value == 0).any(0).all() for value in activations.values())
    seen: list[torch.Tensor] = []
    net = seeded(input_dropout=0.5)
    net.hidden_layers[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    _, activations = net(x, return_activations=True)
    assert set(seen[0].unique().tolist()) == {0, 2}
    assert not any((value == 0).any() for value in activations.values())


@pytest.mark.parametrize("layers", [None, 1, 2, 3])
def test_dropout_is_after_the_topmost_blocks_only_where_asked(layers: int | None) -> None:
    net = seeded(dropout=0.5, dropout_layers=layers, dropout_kind="alpha", input_dropout=0.1)
    assert [hasattr(block, "dropout") for block in net.hidden_layers] == [i >= 3 - (layers or 3) for i in range(3)]
    assert all(type(part) is AlphaDropout for part in net.modules() if isinstance(part, Dropout))


def test_every_layer_drops_by_its_own_key() -> None:
    net = seeded(dropout=0.5, input_dropout=0.5)
    keys = [int(module.key) for module in net.modules() if isinstance(module, Dropout)]
    assert len(set(keys)) == len(keys) == 4


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"hidden": []}, r"net\.hidden=\[\]: a list of widths from 1"),
        ({"hidden": [10, 0]}, r"net\.hidden=\[10, 0\]"),
        ({"hidden": [10.5]}, r"net\.hidden"),
        ({"hidden": [True]}, r"net\.hidden"),
        ({"hidden": 100}, r"net\.hidden=100"),
        ({"hidden": "100"}, r"net\.hidden=100"),
        ({"activation": "rellu"}, r"net\.activation=rellu: choose one of elu, relu.*did you mean .*relu"),
        ({"activation": None}, r"net\.activation=None"),
        ({"init": "he"}, r"net\.init=he: choose one of he_normal, he_uniform, lecun_normal"),
        (
            {"activation_alpha": 0.5, "activation": "relu"},
            r"net\.activation_alpha=0\.5: relu has none, only elu, leaky",
        ),
        ({"activation_alpha": -1}, r"net\.activation_alpha=-1: a number of at least 0"),
        ({"activation_alpha": "big"}, r"net\.activation_alpha=big: a number of at least 0"),
        ({"bias_init": "zero"}, r"net\.bias_init=zero: choose one of zeros, normal; did you mean zeros"),
        ({"norm_at": "after"}, r"net\.norm_at=after: nothing is normalized; type net\.norm=batch"),
        ({"norm": "batch", "norm_at": "befor"}, r"net\.norm_at=befor: choose one of input, before, after, logits"),
        ({"norm": "batch", "norm_at": []}, r"net\.norm_at=nothing: choose one of input, before, after, logits"),
        ({"norm": "batch", "norm_at": ["before", "after"]}, r"net\.norm_at=.*: a hidden layer is normalized once"),
        (
            {"norm": "batch", "norm_momentum": 0},
            r"net\.norm_momentum=0: null, or with net\.norm=batch a number above 0",
        ),
        ({"norm": "layer", "norm_momentum": 0.5}, r"net\.norm_momentum=0\.5: null, or with net\.norm=batch"),
        ({"norm": "batch", "norm_epsilon": 0}, r"net\.norm_epsilon=0: null, or with net\.norm=batch or layer"),
        ({"norm_epsilon": 1e-3}, r"net\.norm_epsilon=0\.001: null, or with net\.norm=batch or layer"),
        ({"norm": "bach"}, r"net\.norm=bach: choose one of batch, layer; did you mean batch"),
        ({"dropout": 1}, r"net\.dropout=1: a share in \[0, 1\)"),
        ({"dropout": -0.1}, r"net\.dropout=-0\.1"),
        ({"dropout": float("nan")}, r"net\.dropout=nan"),
        ({"dropout": "0.5"}, r"net\.dropout=0\.5"),
        ({"dropout_kind": "alfa"}, r"net\.dropout_kind=alfa: choose one of plain, alpha; did you mean alpha"),
        ({"dropout_layers": 0}, r"net\.dropout_layers=0: null for all hidden layers, or how many from the top, 1 to 3"),
        ({"dropout_layers": 4}, r"net\.dropout_layers=4"),
        ({"dropout_layers": True}, r"net\.dropout_layers=True"),
        ({"input_dropout": 1.5}, r"net\.input_dropout=1\.5"),
        ({"input_dropout": None}, r"net\.input_dropout=None"),
    ],
)
def test_a_bad_value_is_one_line_with_its_key(bad: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        seeded(**bad)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_a_net_run_in_two_parts_gives_the_outputs_of_one_pass(norm: str | None, depth: int) -> None:
    net, x = seeded(norm=norm, dropout=0.5, input_dropout=0.5).eval(), torch.randn(10, 6)
    features = net(x, stop=depth)
    assert features.shape == (10, [6, 8, 7, 4][depth])
    assert torch.equal(net(features, start=depth), net(x))


def test_stop_returns_the_output_of_the_block_below_and_start_records_only_the_blocks_it_ran() -> None:
    net, x = seeded().eval(), torch.randn(10, 6)
    _, activations = net(x, return_activations=True)
    assert torch.equal(net(x, stop=2), activations["hidden_layers.1"])
    _, above = net(net(x, stop=2), start=2, return_activations=True)
    assert list(above) == ["hidden_layers.2"]


def test_the_dropout_of_the_input_is_run_at_depth_0_and_nowhere_else() -> None:
    net = seeded(input_dropout=0.9)
    features = torch.ones(50, 8)
    assert not torch.equal(net(torch.ones(50, 6)), net(torch.ones(50, 6)))
    assert torch.equal(net(features, start=1), net(features, start=1))
