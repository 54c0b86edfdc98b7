"""A metric of anyone's gets the outputs of a split in the form that its arguments ask for."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from sklearn import metrics as sk

from dnnx.basics.errors import UserError
from dnnx.config.trust import limit
from dnnx.tasks.metric import Metric
from dnnx.tasks.own_metrics import build_metrics

LOGITS = torch.tensor([[2.0, 1, 0], [0, 3, 1], [0, 1, 2], [5, 0, 1]])
LABELS = torch.tensor([0, 1, 2, 1])
OWN = """
def share_above(outputs, y, limit=0.0): return (outputs.amax(1) > limit).float().mean()
def wrong(a, b): return 0
def whole(outputs, y): return outputs
def failing(y_true, y_pred): raise KeyError("x")
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_metrics.py").write_text(OWN)
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop("my_metrics", None)


def metric(node: Any) -> Metric:
    return build_metrics(OmegaConf.create({"metrics": {"mine": node}}))["mine"]


def value(node: Any, outputs: torch.Tensor = LOGITS, y: torch.Tensor = LABELS) -> Any:
    function = metric(node).function
    assert function is not None
    return function(outputs, y)


def test_scikit_learn_gets_classes_or_probabilities() -> None:
    labels, classes = LABELS.numpy(), LOGITS.argmax(1).numpy()
    balanced = sk.balanced_accuracy_score(labels, classes)
    assert value("sklearn.metrics.balanced_accuracy_score") == balanced, "to the last digit"
    f1 = {"_target_": "sklearn.metrics.f1_score", "average": "macro"}
    assert value(f1) == sk.f1_score(labels, classes, average="macro")
    auc = {"_target_": "sklearn.metrics.roc_auc_score", "multi_class": "ovr"}
    expected = sk.roc_auc_score(labels, LOGITS.double().softmax(1).numpy(), multi_class="ovr")
    assert value(auc) == pytest.approx(expected)
    both = LOGITS[:, :2], torch.tensor([0, 1, 1, 0])
    assert value("sklearn.metrics.roc_auc_score", *both) == 1.0


def test_a_folder_may_name_a_metric_of_any_style_that_a_run_takes() -> None:
    for name in ("share_above", "whole", "failing"):
        limit({"metrics": {"mine": f"my_metrics.{name}"}}, ["my_metrics"])
    with pytest.raises(UserError, match=r"a function of \(y_true, y_pred\), \(preds, target\) or \(outputs, y\)$"):
        limit({"metrics": {"mine": "my_metrics.wrong"}}, ["my_metrics"])


def test_numbers_are_compared_as_they_are() -> None:
    outputs, y = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([1.0, 2.0, 3.0])
    assert value("sklearn.metrics.mean_absolute_error", outputs, y) == pytest.approx(1 / 3)
    assert value("torchmetrics.functional.mean_absolute_error", outputs, y) == pytest.approx(1 / 3)


def test_torchmetrics_gets_logits_whether_function_or_class() -> None:
    settings = {"num_classes": 3, "average": "micro"}
    by_function = {"_target_": "torchmetrics.functional.classification.multiclass_accuracy", **settings}
    by_class = {"_target_": "torchmetrics.classification.MulticlassAccuracy", **settings}
    assert value(by_function) == value(by_class) == 0.75
    assert value(by_class) == 0.75, "an object of a class forgets what it saw before"


def test_a_function_of_tensors_unit_and_direction_are_the_users() -> None:
    node = {"_target_": "my_metrics.share_above", "limit": 2.5, "unit": "%", "better": "higher"}
    assert value(node) == 0.5
    assert metric(node).about() == {"unit": "%", "better": "higher"}
    assert metric("my_metrics.share_above").about() == {"unit": "", "better": None}
    assert build_metrics(OmegaConf.create({})) == build_metrics(OmegaConf.create({"metrics": {}})) == {}


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ("my_metrics.wrong", r"metrics\.mine=my_metrics\.wrong: its first arguments must be \(y_true, y_pred\)"),
        ("my_metrics.shareabove", r"metrics\.mine\._target_=.*did you mean my_metrics\.share_above"),
        ({"_target_": "my_metrics.share_above", "limt": 1}, r"metrics\.mine\.limt: there is no such key; did you mean"),
        ({"_target_": "my_metrics.share_above", "better": "up"}, r"metrics\.mine\.better=up: choose one of higher"),
        (3, r"metrics\.mine\._target_=3: the path of a class"),
    ],
)
def test_a_metric_that_is_none_is_named(node: Any, says: str) -> None:
    with pytest.raises(UserError, match=says):
        metric(node)


def test_a_metric_that_raises_or_returns_no_number_is_named() -> None:
    with pytest.raises(UserError, match=r"metrics\.mine: KeyError: 'x'\n  my_metrics.py, line 5"):
        value("my_metrics.failing")
    with pytest.raises(UserError, match=r"metrics\.mine=\(2, 2, 2\): a metric is a number"):
        value("my_metrics.whole", torch.zeros(2, 2, 2), torch.zeros(2))
