"""The language model's numbers: by hand, and as the loss that is trained."""

import math

import pytest
import torch

from dnnx.tasks.language_model import LanguageModel


def test_equally_likely_tokens_have_their_number_as_perplexity() -> None:
    outputs, y = torch.zeros(3, 5, 8), torch.zeros(3, 5, dtype=torch.long)
    task = LanguageModel()
    found = task.measure(task.summary(outputs, y), y)
    assert found == pytest.approx({"loss": math.log(8), "bits": 3, "perplexity": 8, "accuracy": 1})
    assert task.per_example(outputs, y)["bits"].tolist() == pytest.approx([3, 3, 3])


def test_the_loss_of_a_piece_is_the_mean_over_its_tokens() -> None:
    outputs = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    y = torch.arange(15).view(3, 5) % 8
    by_hand = [-sum(outputs[n, t].log_softmax(0)[y[n, t]].item() for t in range(5)) / 5 for n in range(3)]
    assert LanguageModel().loss(outputs, y).tolist() == pytest.approx(by_hand, rel=1e-5)
