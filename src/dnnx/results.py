"""Tests the best weights of every seed and writes what a finished run says: results.json and predictions."""

import math
import resource
from itertools import pairwise
from statistics import median
from typing import Any

import torch
import torchmetrics.functional.classification as tm
from torch import Tensor

from dnnx.callbacks.early_stopping import EarlyStopping

NUM_HARDEST = 32


def evaluate(logits: Tensor, y: Tensor, survived: list[bool]) -> dict[str, list]:
    """Metrics of logits [R, N, C] for labels [N] or [R, N]: one value per seed, None for a seed that diverged."""
    labels = y.expand(len(logits), -1)
    rows = [_metrics(*of_seed) if ok else None for *of_seed, ok in zip(logits, labels, survived, strict=True)]
    names = next(row for row in rows if row is not None)
    return {name: [row[name] if row else None for row in rows] for name in names}


def _metrics(logits: Tensor, y: Tensor) -> dict[str, Any]:
    """Accuracy, macro precision, recall and F1 (macro over the classes), as torchmetrics defines them."""
    num_classes = logits.shape[-1]
    confusion = tm.multiclass_confusion_matrix(logits, y, num_classes)
    return {
        "loss": torch.nn.functional.cross_entropy(logits.double(), y).item(),
        "accuracy": confusion.diagonal().sum().item() / len(y),
        "precision": tm.multiclass_precision(logits, y, num_classes, average="macro").item(),
        "recall": tm.multiclass_recall(logits, y, num_classes, average="macro").item(),
        "f1": tm.multiclass_f1_score(logits, y, num_classes, average="macro").item(),
        "class_accuracy": (confusion.diagonal() / confusion.sum(1)).tolist(),
        "confusion": confusion.tolist(),
    }


def measure(
    module: Any, data: Any, seeds: list[int], survived: list[bool]
) -> tuple[dict[str, list], dict[str, Tensor]]:
    """The metrics of every split with the module's present weights, and the predictions on the test set."""
    results: dict[str, list] = {"seeds": seeds}
    for split, wanted in (("test", None), ("train", ("loss", "accuracy")), ("val", ("loss", "accuracy"))):
        logits, y = module.predict(data.eval_dataloader(split))
        metrics = evaluate(logits, y, survived)
        results |= {f"{split}/{name}": metrics[name] for name in wanted or metrics}
        if split == "test":
            alive = logits[torch.tensor(survived, device=logits.device)].double().log_softmax(-1)
            ensemble = alive.logsumexp(0) - math.log(len(alive))
            results |= {f"ensemble/{name}": [_metrics(ensemble, y)[name]] for name in ("accuracy", "loss")}
            predictions = {"labels": y, "probabilities": logits.softmax(-1)} | _hardest(ensemble, y, data)
    return results, predictions


def _hardest(log_probabilities: Tensor, y: Tensor, data: Any) -> dict[str, Tensor]:
    """The test images whose true class the ensemble finds least probable, as uint8 [K, H, W, channels]."""
    true = log_probabilities.gather(1, y[:, None])[:, 0]
    index = true.topk(min(NUM_HARDEST, len(y)), largest=False).indices
    return {"hardest_index": index, "hardest_images": data.test_images[index.cpu()].permute(0, 2, 3, 1)}


def training_facts(stopping: EarlyStopping, elapsed_s: list[float], module: Any) -> dict[str, list]:
    """What early stopping and the clock say of each seed; `elapsed_s` are seconds at the end of every epoch."""
    num, last = len(stopping.last_epoch), stopping.last_epoch.tolist()
    sizes = [(p.numel() // num, p.requires_grad) for p in module.parameters()]
    return {
        "epoch/best": [epoch or None for epoch in stopping.best_epoch.tolist()],
        "epoch/last": last,
        "epoch/diverged": [epoch or None for epoch in stopping.diverged_epoch.tolist()],
        "time/fit_s": [elapsed_s[epoch - 1] for epoch in last],
        "time/epoch_s": [median(b - a for a, b in pairwise([0.0, *elapsed_s[:epoch]])) for epoch in last],
        "memory/peak_mb": [peak_memory_mb()] * num,
        **{name: [value] * num for name, value in module.facts.items()},
        "params/total": [sum(size for size, _ in sizes)] * num,
        "params/trainable": [sum(size for size, trainable in sizes if trainable)] * num,
    }


def peak_memory_mb() -> float:
    """Peak allocation on the GPU when one is in use, else the peak resident memory of the process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10  # Linux counts in KiB
