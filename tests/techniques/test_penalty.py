"""Penalties and the bound on norms are their formulas, of the weights of linear layers alone."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from modules import classifier
from torch import nn

from dnnx.basics.at_work import NotAtWork
from dnnx.basics.errors import UserError
from dnnx.techniques.max_norm import bound_norms
from dnnx.techniques.penalty import Penalty, penalty
from dnnx.training.module import ReplicaModule


def test_only_weights_of_linear_layers_that_are_trained_are_regularized() -> None:
    module = classifier(4, 5, {"hidden": [3, 2], "norm": "batch"}, [0])
    assert [w.shape for w in module.weights] == [(3, 4), (2, 3), (5, 2)]
    module = classifier(4, 5, {"hidden": [3, 2], "norm": "batch"}, [0])
    module.replicas.net.get_submodule("hidden_layers.0").requires_grad_(False)
    assert [w.shape for w in module.weights] == [(2, 3), (5, 2)]
    module = classifier(4, 5, {"hidden": [3], "norm": "layer"}, [0, 1])
    assert [w.shape for w in module.weights] == [(2, 3, 4), (2, 5, 3)]


def test_penalties_are_hand_numbers_for_each_replica() -> None:
    weights = [torch.tensor([[[1.0, -2.0]], [[0.5, 0.0]]]), torch.tensor([[[3.0]], [[-1.0]]])]
    both, none = [0.1] * 2, [0.0] * 2
    assert penalty(weights, 2, both, none).tolist() == torch.tensor([0.6, 0.15]).tolist()
    torch.testing.assert_close(penalty(weights, 2, none, [0.01] * 2), torch.tensor([0.14, 0.0125]))
    torch.testing.assert_close(penalty(weights, 2, both, [0.01] * 2), torch.tensor([0.74, 0.1625]))
    torch.testing.assert_close(penalty(weights, 2, [0.1, 0.0], [0.0, 0.01]), torch.tensor([0.39, 0.06]))


def test_the_gradient_of_l2_is_torchs_weight_decay_of_twice_its_value() -> None:
    one, other = (nn.Parameter(torch.linspace(-1, 2, 6).view(2, 3)) for _ in range(2))
    penalty([one], 1, [0.0], [0.05]).sum().backward()
    other.grad = torch.zeros_like(other)
    torch.optim.SGD([one], lr=0.1).step()
    torch.optim.SGD([other], lr=0.1, weight_decay=0.1).step()
    torch.testing.assert_close(one, other)


def test_only_units_above_the_bound_are_scaled_down_to_it() -> None:
    w = torch.tensor([[[3.0, 4.0], [0.3, 0.4]], [[0.0, 0.0], [-6.0, 8.0]]])
    bound_norms([w], 2.0, stacked=True)
    torch.testing.assert_close(w, torch.tensor([[[1.2, 1.6], [0.3, 0.4]], [[0.0, 0.0], [-1.2, 1.6]]]))
    g = torch.Generator().manual_seed(0)
    w = torch.randn(7, 5, generator=g)
    expected = torch.renorm(w, 2, 0, 1.5)
    bound_norms([w], 1.5)
    torch.testing.assert_close(w, expected, rtol=1e-5, atol=0)


def test_a_penalty_that_ends_at_zero_is_a_result_and_one_that_was_never_there_is_a_bug() -> None:
    technique = Penalty(l1=0.1)
    classifier(4, 5, {"hidden": [3]}, [0], technique)
    technique.check_after(SimpleNamespace(recorded={"train/penalty": {(0, 1): 0.5, (0, 2): 0.0}}))
    for values in ({}, {(0, 1): 0.0}, {(0, 1): 0.5, (0, 2): -0.1}):
        with pytest.raises(NotAtWork):
            technique.check_after(SimpleNamespace(recorded={"train/penalty": values}))


def test_a_layer_has_the_factors_of_the_last_pattern_that_it_matches() -> None:
    technique = Penalty(l1={"*": 1.0, "hidden_layers.1.*": 0.5}, l2={"output.*": 0.25})
    module = classifier(6, 3, {"hidden": [5, 4]}, [0, 1], technique)
    assert technique.factors == [[1.0, 0.5, 1.0], [0.0, 0.0, 0.25]]
    lowest, middle, top = module.weights
    expected = sum(a * w.abs().flatten(1).sum(1) for a, w in ((1, lowest), (0.5, middle), (1, top)))
    torch.testing.assert_close(technique.penalty(), expected + 0.25 * top.square().flatten(1).sum(1))
    alone = Penalty(l1={"*": 1.0, "hidden_layers.1.*": 0.5}, l2={"output.*": 0.25})
    classifier(6, 3, {"hidden": [5, 4]}, [1], alone)
    torch.testing.assert_close(technique.penalty()[1:], alone.penalty())


def attached(module: ReplicaModule, **given: Any) -> Penalty:
    technique = Penalty(**given)
    technique.attach(module)
    return technique


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"l1": -1}, r"^techniques\.penalty\.l1=-1: a number of at least 0"),
        ({"l2": {"output.*": "much"}}, r"^techniques\.penalty\.l2\.output\.\*=much: a number of at least 0"),
        ({"l1": {"nothing.*": 1e-3}}, r"^techniques\.penalty\.l1=nothing\.\*: it matches none of hidden_layers\.0"),
    ],
)
def test_a_wrong_factor_or_pattern_is_one_line(given: dict, says: str) -> None:
    module = classifier(4, 5, {"hidden": [3]}, [0])
    with pytest.raises(UserError, match=says):
        attached(module, **given).penalty()
