"""Calibration: scores agree with torchmetrics, with hand calculation, and with predictions of known quality."""

import math

import pytest
import torch
import torchmetrics.functional.classification as tm
from torch import Tensor

from dnnx.evaluation.calibration import NUM_BINS, calibration_error, entropy, reliability, scores


def predictions(num_seeds: int = 3, n: int = 500, classes: int = 10) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    p = torch.randn(num_seeds, n, classes, generator=g, dtype=torch.float64).mul(2).softmax(-1)
    return p, torch.randint(classes, (n,), generator=g)


def test_scores_are_those_of_torchmetrics_for_each_seed() -> None:
    p, y = predictions()
    made = scores(p, y)
    for r in range(len(p)):
        assert made["accuracy"][r] == (p[r].argmax(-1) == y).double().mean()
        torch.testing.assert_close(made["ece"][r], tm.multiclass_calibration_error(p[r], y, 10, n_bins=15).double())
        torch.testing.assert_close(made["nll"][r], torch.nn.functional.nll_loss(p[r].log(), y))
        torch.testing.assert_close(made["brier"][r], (p[r] - torch.eye(10)[y]).square().sum(-1).mean())
        torch.testing.assert_close(made["entropy"][r], torch.distributions.Categorical(p[r]).entropy().mean())


def test_scores_by_hand() -> None:
    p = torch.tensor([[[0.7, 0.3], [0.4, 0.6], [1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    made = {name: value.item() for name, value in scores(p, torch.tensor([0, 0, 0, 1])).items()}
    assert made["accuracy"] == 0.75
    assert made["nll"] == pytest.approx(-(math.log(0.7) + math.log(0.4)) / 4)
    assert made["brier"] == pytest.approx((2 * 0.3**2 + 2 * 0.6**2) / 4)
    assert made["ece"] == pytest.approx((0.3 + 0.6 + 0 + 0) / 4)


def test_a_probability_of_0_for_the_true_class_is_a_finite_loss() -> None:
    p = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    assert math.isfinite(scores(p, torch.tensor([1]))["nll"].item())


def test_honest_confidence_is_calibrated_and_overconfidence_is_not() -> None:
    g = torch.Generator().manual_seed(1)
    p = torch.rand(1, 200_000, generator=g, dtype=torch.float64)
    y = (torch.rand(200_000, generator=g) > p[0]).long()
    honest = torch.stack([p, 1 - p], -1)
    assert scores(honest, y)["ece"].item() < 0.01
    boasting = honest**3 / (honest**3).sum(-1, keepdim=True)
    assert scores(boasting, y)["ece"].item() > 0.05
    images, confidence, correct = reliability(honest, y)
    some = images[0] > 0
    torch.testing.assert_close(
        correct[0][some] / images[0][some], confidence[0][some] / images[0][some], atol=0.02, rtol=0
    )


def test_bins_hold_every_image_once_and_are_open_below() -> None:
    confidence = torch.tensor([1 / 15 + 1e-9, 2 / 15, 2 / 15 + 1e-9, 1.0], dtype=torch.float64)
    rest = (1 - confidence) / 100  # spread over so many classes that the first is the largest
    p = torch.cat([confidence[:, None], rest[:, None].expand(-1, 100)], -1)[None]
    images, _, _ = reliability(p, torch.zeros(4, dtype=torch.int64))
    assert images[0].nonzero()[:, 0].tolist() == [1, 2, NUM_BINS - 1]
    assert images[0].sum() == 4


def test_seeds_do_not_touch_one_another() -> None:
    p, y = predictions()
    together = scores(p, y)
    for r in range(len(p)):
        for name, value in scores(p[r : r + 1], y).items():
            assert together[name][r] == value[0]


def test_entropy_is_0_for_certain_predictions_and_largest_for_uniform_ones() -> None:
    assert entropy(torch.tensor([1.0, 0.0])) == 0
    torch.testing.assert_close(entropy(torch.full((8,), 1 / 8)), torch.tensor(math.log(8)))
    assert calibration_error(
        reliability(torch.full((1, 5, 2), 0.5), torch.tensor([0, 0, 0, 0, 1]))
    ).item() == pytest.approx(0.3)
