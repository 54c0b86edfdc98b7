"""How long predictions take is measured in a few passes over the test set, in one where that takes seconds."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dnnx.evaluation import results


@pytest.mark.parametrize(("most_s", "passes"), [(2.0, 5), (0.0, 1)])
def test_a_slow_net_predicts_the_test_set_once(most_s: float, passes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def predict(batches: Any) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(batches)
        return torch.zeros(1), torch.zeros(1)

    monkeypatch.setattr(results, "TIMED_S", most_s)
    data = SimpleNamespace(eval_dataloader=lambda split: split)
    assert 0 < results.prediction_s(SimpleNamespace(predict=predict), data) < 1
    assert calls == ["test"] * passes
