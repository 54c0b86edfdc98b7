"""Test the best weights of every seed; write results.json and the predictions."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from torch import Tensor

from dnnx.evaluation import sparsity as sparse
from dnnx.runs.memory import peak_memory_mb
from dnnx.tasks.scores import multiclass
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.replicas import for_each

TIMED_PASSES, TIMED_S = 5, 2.0  # most passes over the test set that are timed, and seconds after which none begins
LEARNED = ("train", "val")  # splits of which only the curves are scored


def evaluate(
    logits: Tensor,
    y: Tensor,
    survived: list[bool],
    metrics: Callable[..., dict[str, Any]] = multiclass,
    chosen: Sequence[dict[str, Any]] | None = None,
) -> dict[str, list]:
    """Return `metrics` of logits [R, N, C] for labels [N] or [R, N]: one value per seed, None for a diverged seed.

    `chosen` holds more arguments of `metrics` for each seed. If every seed diverged, all values are None.
    """
    seeds = zip(logits, for_each(y, logits), survived, chosen or [{}] * len(logits), strict=True)
    rows = [metrics(of_seed, labels, **own) if ok else None for of_seed, labels, ok, own in seeds]
    named = (row for row in rows if row is not None)
    names = next(named, None) or metrics(logits[0].nan_to_num(), for_each(y, logits)[0])
    return {name: [row[name] if row else None for row in rows] for name in names}


def measure(
    module: Any, data: Any, seeds: list[int], survived: list[bool]
) -> tuple[dict[str, list], dict[str, Tensor]]:
    """Return the metrics of every split with the module's current weights, and the predictions on the test set."""
    task = module.task
    outputs = {split: module.predict(data.eval_dataloader(split)) for split in splits_of(data)}
    found, predictions = score(task, outputs, data, seeds, survived)
    return found, predictions | task.exhibits(module, data)


def splits_of(data: Any) -> list[str]:
    """Return the splits that are scored: val, test, train, and further test sets of the data."""
    return ["val", "test", "train", *getattr(data, "more_tests", ())]


def score(
    task: Any, outputs: dict[str, tuple[Tensor, Tensor]], data: Any, seeds: list[int], survived: list[bool]
) -> tuple[dict[str, list], dict[str, Tensor]]:
    """Return the metrics of outputs [R, N, ...] and targets of every split, and the predictions on the test set."""
    val, val_y = outputs["val"]
    of_seeds = zip(val, for_each(val_y, val), survived, strict=True)
    chosen = [task.choose(of_seed, labels) if ok else {} for of_seed, labels, ok in of_seeds]
    results: dict[str, list] = {"seeds": seeds}
    for split in ("test", "train", "val", *(split for split in outputs if split not in ("test", *LEARNED))):
        summaries, y = outputs[split]
        metrics = evaluate(summaries, y, survived, task.measure, chosen)
        results |= {f"{split}/{name}": metrics[name] for name in (task.curves if split in LEARNED else metrics)}
    ensemble, metrics = together(task, outputs["test"], outputs["val"], survived)
    summaries, y = outputs["test"]
    return results | metrics, task.predictions(summaries, y, ensemble, data)


def together(
    task: Any, test: tuple[Tensor, Tensor], val: tuple[Tensor, Tensor], survived: list[bool]
) -> tuple[Tensor | None, dict[str, list]]:
    """Return the ensemble's output [N, ...] on the test set, or None without ensemble, and its metrics `ensemble/*`.

    If every seed diverged, there is no ensemble and its metrics are None.
    """
    (outputs, y), (val_outputs, val_y) = test, val
    if not any(survived):
        return None, {f"ensemble/{name}": [None] for name in task.ensemble_metrics()}
    ensemble = task.ensemble(alive(outputs, survived)) if y.dim() < 2 or y.shape[:2] != outputs.shape[:2] else None
    if ensemble is None:
        return None, {}
    shared = val_y.shape[:2] != val_outputs.shape[:2]
    chosen = task.choose(task.ensemble(alive(val_outputs, survived)), val_y) if shared else {}
    metrics = task.measure(ensemble, y, **chosen)
    return ensemble, {f"ensemble/{name}": [metrics[name]] for name in (*task.ensemble_metrics(), *chosen)}


def alive(outputs: Tensor, survived: list[bool]) -> Tensor:
    """Return the outputs [S, N, ...] of the seeds that did not diverge."""
    return outputs[torch.tensor(survived, device=outputs.device)]


def about(task: Any) -> dict[str, dict[str, str | None]]:
    """Return unit and direction of every metric of a run, by its name in the results."""
    splits = ("test", "train", "val", "ensemble")
    return {f"{split}/{name}": metric.about() for split in splits for name, metric in task.metrics.items()}


def training_facts(stopping: EarlyStopping, elapsed_s: list[float], module: Any, data: Any) -> dict[str, list]:
    """Return best epoch, epochs and seconds of each seed. `elapsed_s` are the seconds at the end of every epoch."""
    last = stopping.last_epoch.tolist()
    return {
        "epoch/best": [epoch or None for epoch in stopping.best_epoch.tolist()],
        "epoch/last": last,
        "epoch/diverged": [epoch or None for epoch in stopping.diverged_epoch.tolist()],
        "time/fit_s": [elapsed_s[epoch - 1] for epoch in last],
        "time/epoch_s": [median(b - a for a, b in pairwise([0.0, *elapsed_s[:epoch]])) for epoch in last],
        **costs(module, data, [epoch == 0 for epoch in stopping.diverged_epoch.tolist()]),
    }


def costs(module: Any, data: Any, survived: list[bool]) -> dict[str, list]:
    """Return the costs of a network: its own, those of all seeds together, and the savings by zero weights."""
    num = module.replicas.num_replicas
    sizes = [(p.numel() // num, p.requires_grad) for p in module.parameters()]
    once = {
        "time/test_s": prediction_s(module, data),
        "memory/peak_mb": peak_memory_mb(),
        **module.facts,
        "params/total": sum(size for size, _ in sizes),
        "params/trainable": sum(size for size, trainable in sizes if trainable),
    }
    of_zeros = sparse.measure(module, survived, lambda one: prediction_s(one, data))
    return {name: [value] * num for name, value in once.items()} | of_zeros


def prediction_s(module: Any, data: Any) -> float:
    """Return the wall seconds of predicting the whole test set with all seeds: the fastest of several passes.

    A pass of seconds is measured well by itself, and five of them would take longer than some trainings.
    """

    def once() -> float:
        started = time.perf_counter()
        module.predict(data.eval_dataloader("test"))[0].sum().item()  # waits for the GPU
        return time.perf_counter() - started

    passes = [once()]
    while len(passes) < TIMED_PASSES and sum(passes) < TIMED_S:
        passes.append(once())
    return min(passes)
