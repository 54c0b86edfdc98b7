"""Classification: the share of labels among the k most probable classes."""

import pytest
import torch
from sklearn.metrics import top_k_accuracy_score

from dnnx.basics.errors import UserError
from dnnx.tasks.classification import Classification


def test_top_k_is_that_of_scikit_learn() -> None:
    g = torch.Generator().manual_seed(0)
    logits, y = torch.randn(300, 6, generator=g), torch.randint(6, (300,), generator=g)
    task = Classification(top=3)
    found = task.measure(logits, y)
    assert found["top3"] == pytest.approx(top_k_accuracy_score(y, logits.softmax(-1), k=3))
    assert set(found) == set(task.metrics)
    assert "top3" not in Classification().measure(logits, y)


def test_top_1_is_the_accuracy_and_refused() -> None:
    with pytest.raises(UserError, match=r"^task.top=1: a whole number of at least 2"):
        Classification(top=1)
