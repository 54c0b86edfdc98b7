"""Scores of predictions: the metrics of one network on one split, by torchmetrics."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
import torchmetrics.functional.classification as tm
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]  # logits [N, C], labels [N] -> [N]


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Return the cross-entropy of each example, [N]."""
    return F.cross_entropy(logits, y, reduction="none")


def mean_loss(loss: Loss, logits: Tensor, y: Tensor) -> float:
    """Return the mean loss in 64 bits, added up in the order in which torch adds up a mean cross-entropy."""
    losses = loss(logits.double(), y)
    return F.nll_loss(-losses[:, None], torch.zeros_like(losses, dtype=torch.long)).item()


def multiclass(logits: Tensor, y: Tensor, loss: Loss = cross_entropy) -> dict[str, Any]:
    """Return the metrics of logits [N, C] for labels [N]. Precision, recall and F1 are macro averages over classes."""
    num_classes = logits.shape[-1]
    confusion = tm.multiclass_confusion_matrix(logits, y, num_classes)
    return {
        "loss": mean_loss(loss, logits, y),
        "accuracy": confusion.diagonal().sum().item() / len(y),
        "precision": tm.multiclass_precision(logits, y, num_classes, average="macro").item(),
        "recall": tm.multiclass_recall(logits, y, num_classes, average="macro").item(),
        "f1": tm.multiclass_f1_score(logits, y, num_classes, average="macro").item(),
        "class_accuracy": (confusion.diagonal() / confusion.sum(1)).tolist(),
        "confusion": confusion.tolist(),
    }


def binary(logits: Tensor, y: Tensor, threshold: float = 0.5, loss: Loss = cross_entropy) -> dict[str, Any]:
    """Return the metrics of logits [N, 2] for labels [N]. Class 1 is predicted if its probability exceeds `threshold`.

    Precision, recall and F1 refer to class 1. `auc` is the area under the ROC curve.
    """
    p = logits.double().softmax(-1)[:, 1]
    said = (p > threshold).long()
    return {
        "loss": mean_loss(loss, logits, y),
        "accuracy": (said == y).sum().item() / len(y),
        "accuracy_at_half": ((p > 0.5) == (y == 1)).double().mean().item(),
        "precision": tm.binary_precision(said, y).item(),
        "recall": tm.binary_recall(said, y).item(),
        "f1": tm.binary_f1_score(said, y).item(),
        "auc": tm.binary_auroc(p, y).item(),
        "threshold": threshold,
        "confusion": tm.binary_confusion_matrix(said, y).tolist(),
    }


def best_threshold(logits: Tensor, y: Tensor) -> float:
    """Return the probability threshold of class 1 with the most right answers; among equals the nearest to 0.5."""
    p, order = logits.double().softmax(-1)[:, 1].sort()
    p = torch.cat([p.new_zeros(1), p, p.new_ones(1)])
    gained = (1 - 2 * y[order]).cumsum(0)  # right answers gained if all up to here are class 0 instead of class 1
    gained = torch.cat([gained.new_zeros(1), gained])
    between, apart = (p[:-1] + p[1:]) / 2, p[:-1] < p[1:]
    best = apart & (gained == gained[apart].max())
    return between[best][(between[best] - 0.5).abs().argmin()].item()


def top_k(outputs: Tensor, y: Tensor, k: int = 5) -> float:
    """Return the share of examples whose class is among the k most probable: logits [N, C], labels [N]."""
    best = outputs.topk(min(k, outputs.shape[-1])).indices
    return (best == y[:, None]).any(-1).double().mean().item()
