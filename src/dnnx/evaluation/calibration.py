"""Quality of predicted probabilities for each replica: proper scores, calibration and uncertainty."""

import torch
from torch import Tensor

NUM_BINS = 15


def scores(p: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return accuracy, NLL, Brier score, calibration error and entropy, each [R], of probabilities [R, N, C].

    `y` [N] are the true classes. NLL and entropy are in nats. The Brier score (Brier 1950) sums the squared errors over
    the classes: 0 to 2.
    """
    true = p[:, torch.arange(len(y), device=p.device), y]
    return {
        "accuracy": (p.argmax(-1) == y).sum(-1).double() / len(y),
        "nll": -true.clamp(min=torch.finfo(p.dtype).tiny).log().mean(-1),
        "brier": (p.square().sum(-1) - 2 * true + 1).mean(-1),
        "ece": calibration_error(reliability(p, y)),
        "entropy": entropy(p).mean(-1),
    }


def reliability(p: Tensor, y: Tensor) -> Tensor:
    """Return images, sum of confidences and correct predictions in 15 equal bins of confidence, [3, R, bins].

    A bin includes its upper end, not its lower.
    """
    confidence, predicted = p.max(-1)
    bins = (confidence * NUM_BINS).ceil().long().sub(1).clamp(0, NUM_BINS - 1)
    summed = torch.stack([torch.ones_like(confidence), confidence, (predicted == y).to(p.dtype)])
    return p.new_zeros(3, len(p), NUM_BINS).scatter_add(-1, bins.expand_as(summed), summed)


def calibration_error(sums: Tensor) -> Tensor:
    """Return the expected calibration error [R] from the sums of `reliability`.

    Sources: Naeini et al. 2015; Guo et al. 2017.
    """
    images, confidence, correct = sums
    return (confidence - correct).abs().sum(-1) / images.sum(-1)


def entropy(p: Tensor) -> Tensor:
    """Return the entropy in nats over the classes: [..., C] -> [...]."""
    return torch.special.entr(p).sum(-1)
