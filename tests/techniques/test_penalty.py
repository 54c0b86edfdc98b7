"""Penalties and the bound on norms are their formulas, of the weights of linear layers alone."""

from types import SimpleNamespace

import pytest
import torch
from modules import classifier
from torch import nn

from dnnx.basics.at_work import NotAtWork
from dnnx.techniques.max_norm import bound_norms
from dnnx.techniques.penalty import Penalty, penalty


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
    assert penalty(weights, 2, l1=0.1, l2=0).tolist() == torch.tensor([0.6, 0.15]).tolist()
    torch.testing.assert_close(penalty(weights, 2, l1=0, l2=0.01), torch.tensor([0.14, 0.0125]))
    torch.testing.assert_close(penalty(weights, 2, l1=0.1, l2=0.01), torch.tensor([0.74, 0.1625]))


def test_the_gradient_of_l2_is_torchs_weight_decay_of_twice_its_value() -> None:
    one, other = (nn.Parameter(torch.linspace(-1, 2, 6).view(2, 3)) for _ in range(2))
    penalty([one], 1, l1=0, l2=0.05).sum().backward()
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
    technique.check_after(SimpleNamespace(recorded={"train/penalty": {(0, 1): 0.5, (0, 2): 0.0}}))
    for values in ({}, {(0, 1): 0.0}, {(0, 1): 0.5, (0, 2): -0.1}):
        with pytest.raises(NotAtWork):
            technique.check_after(SimpleNamespace(recorded={"train/penalty": values}))
