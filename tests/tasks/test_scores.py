"""Metrics of two classes against scikit-learn, and the threshold that validation chooses."""

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
import torch.nn.functional as F
from commands import compose
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dnnx.tasks.classification import Classification
from dnnx.tasks.own_metrics import build_metrics
from dnnx.tasks.pairs import Pairs
from dnnx.tasks.scores import best_threshold, binary, cross_entropy, mean_loss


def two_logits(z: Tensor) -> Tensor:
    return torch.stack([torch.zeros_like(z), z], -1)


def made_up(n: int = 400) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    y = torch.randint(2, (n,), generator=g)
    return torch.randn(n, generator=g) + 2 * y - 0.3, y


@pytest.mark.parametrize("threshold", [0.5, 0.3, 0.9])
def test_metrics_are_those_of_scikit_learn(threshold: float) -> None:
    z, y = made_up()
    p = z.double().sigmoid()
    said = p > threshold
    expected = {
        "loss": sk.log_loss(y, p),
        "accuracy": sk.accuracy_score(y, said),
        "accuracy_at_half": sk.accuracy_score(y, p > 0.5),
        "precision": sk.precision_score(y, said),
        "recall": sk.recall_score(y, said),
        "f1": sk.f1_score(y, said),
        "auc": sk.roc_auc_score(y, p),
        "threshold": threshold,
        "confusion": sk.confusion_matrix(y, said),
    }
    ours = binary(two_logits(z), y, threshold)
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("n", [1, 7, 360, 5139])
def test_the_mean_cross_entropy_is_that_of_torch_to_the_last_bit(n: int) -> None:
    g = torch.Generator().manual_seed(n)
    for _ in range(20):
        logits, y = 3 * torch.randn(n, 5, generator=g), torch.randint(5, (n,), generator=g)
        assert mean_loss(cross_entropy, logits, y) == F.cross_entropy(logits.double(), y).item()


@pytest.mark.parametrize("task", [Classification, Pairs])
def test_a_loss_of_the_users_is_the_loss_that_is_measured(task: type[Classification]) -> None:
    class Doubled(task):  # type: ignore[misc, valid-type]
        def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
            return 2 * super().loss(outputs, y)

    z, y = made_up()
    logits = two_logits(z)
    plain, doubled = task().measure(logits, y), Doubled().measure(logits, y)
    assert doubled.pop("loss") == pytest.approx(2 * plain.pop("loss"))
    assert doubled == plain


scored = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=30)


@given(scored)
def test_no_other_threshold_is_right_more_often(drawn: list[tuple[int, bool]]) -> None:
    z, y = (torch.tensor(values) for values in zip(*drawn, strict=True))
    p = z.double().sigmoid()
    t = best_threshold(two_logits(z.float()), y.long())
    right = {float(other): int(((p > other) == y).sum()) for other in [0.0, 1.0, t, *(p + 1e-6), *(p - 1e-6)]}
    assert right[t] == max(right.values())
    assert 0 < t < 1


def test_top5_is_added_by_one_word() -> None:
    metric = build_metrics(compose("+metric=top5"))["top5"]
    assert (metric.unit, metric.better) == ("%", "higher")
    outputs = torch.arange(10.0).repeat(10, 1)  # the classes 5 to 9 are the most probable
    assert metric.function is not None
    assert metric.function(outputs, torch.arange(10)) == 0.5
