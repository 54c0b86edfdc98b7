"""A baseline that is no network: an estimator of scikit-learn, fitted to the same split and scored the same way."""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from dnnx.basics.console import console
from dnnx.basics.counts import many
from dnnx.basics.errors import UserError, require, takes
from dnnx.config.build import build, find
from dnnx.config.own_lines import one_line
from dnnx.config.trust import is_estimator
from dnnx.data.loaders import as_input
from dnnx.evaluation import results
from dnnx.runs.files import write_text
from dnnx.runs.memory import peak_memory_mb
from dnnx.runs.provenance import data_facts
from dnnx.runs.tables import HEADER
from dnnx.runs.tensors import save_tensors
from dnnx.tasks.own_metrics import add_metrics, build_metrics
from dnnx.tasks.task import Task
from dnnx.training.assemble import build_data


@dataclass(frozen=True)
class Baseline:
    """An estimator for each seed, on its own training examples, with the task's metrics.

    Example: `python -m dnnx.train data=table data.file=houses.csv data.target=price task=regression baseline=linear`
    """

    cfg: DictConfig
    seeds: Sequence[int]
    data: Any
    task: Any

    @property
    def facts(self) -> dict[str, Any]:
        """Return the content of data.json."""
        return data_facts(self.data)

    def fit(self, folder: Path) -> dict[str, Any]:
        """Fit every seed, write predictions and an empty metrics.csv to `folder`, and return results.json."""
        target = self.cfg.baseline["_target_"]
        console.print(f"{self.cfg.name}: {target}, {many(len(self.seeds), 'seed')}")
        console.print(f"data: {self.facts['note']}", soft_wrap=True)
        outputs: dict[str, list[Tensor]] = {split: [] for split in results.splits_of(self.data)}
        seconds = []
        for place, seed in enumerate(self.seeds):
            started = time.perf_counter()
            estimator = self._fitted(place, seed)
            seconds.append(time.perf_counter() - started)
            for split in outputs:
                outputs[split].append(self.task.estimated(estimator, _plain(self._of(split, place)[0])))
        write_text(folder / "metrics.csv", HEADER)
        return self.score(outputs, folder) | self._costs(seconds)

    def score(self, outputs: dict[str, list[Tensor]], folder: Path) -> dict[str, Any]:
        """Return the metrics of the outputs, one for each seed, of each split, and write predictions to `folder`."""
        survived = [True] * len(self.seeds)
        together = {split: (torch.stack(outs), self._targets(split)) for split, outs in outputs.items()}
        found, predictions = results.score(self.task, together, self.data, list(self.seeds), survived)
        save_tensors(predictions, folder / "predictions.safetensors")
        return found | {"about": results.about(self.task)}

    def predict(self, place: int, x: Tensor) -> Tensor:
        """Return the outputs [N, ...] of the estimator of the seed at `place`, fitted again, for x [N, ...]."""
        return self.task.estimated(self._fitted(place, self.seeds[place]), _plain(x))

    def _fitted(self, place: int, seed: int) -> Any:
        estimator = build("baseline", self.cfg.baseline, ())
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=seed)
        x, y = self._of("train", place)
        weights = self.data.weights if takes(type(estimator).fit, "sample_weight") else None
        if weights is not None and "train" in self.data.rows:
            weights = weights[self.data.rows["train"][place]]
        given: dict[str, Any] = {} if weights is None else {"sample_weight": weights.numpy()}
        given |= {"data": self.data} if takes(type(estimator).fit, "data") else {}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning)
            try:
                return estimator.fit(_plain(x), y.numpy(), **given)
            except (ValueError, TypeError) as error:  # a setting, or data that this estimator does not take
                raise UserError(f"baseline={type(estimator).__name__}: {one_line(error)}") from None

    def _of(self, split: str, place: int) -> tuple[Any, Tensor]:
        x, y = self.data.splits[split]
        rows = self.data.rows.get(split)
        return (x, y) if rows is None else (x[rows[place]], y[rows[place]])

    def _targets(self, split: str) -> Tensor:
        y, rows = self.data.splits[split][1], self.data.rows.get(split)
        return self.task.target(None, y if rows is None else y[rows])

    def _costs(self, seconds: Sequence[float]) -> dict[str, list[Any]]:
        num = len(self.seeds)
        once = {"memory/peak_mb": peak_memory_mb(), "epoch/best": None, "epoch/last": None, "epoch/diverged": None}
        found: dict[str, list[Any]] = {name: [value] * num for name, value in once.items()}
        return found | {"time/fit_s": list(seconds), "time/epoch_s": [None] * num}


def prepare(cfg: DictConfig, seeds: Sequence[int]) -> Baseline:
    """Return the baseline of a config, with its data read. Raise UserError for a class that cannot be fitted."""
    estimator = find("baseline", cfg.baseline, ())
    told = "a class with fit(x, y) and predict(x), such as sklearn.linear_model.LogisticRegression"
    require(is_estimator(estimator), "baseline._target_", cfg.baseline["_target_"], told)
    task = build("task", cfg.task)
    if type(task).estimated is Task.estimated:
        task.estimated(estimator, None)  # raises UserError
    add_metrics(task, build_metrics(cfg))
    data = build_data(cfg, list(seeds))
    require(not cfg.get("techniques"), "techniques", [*cfg.get("techniques", {})], "a baseline is no network")
    task.num_outputs(data)
    return Baseline(cfg, seeds, data, task)


def _plain(x: Any) -> Any:
    """Return examples as the matrix [N, features] that scikit-learn takes, sparse where they are."""
    return x.csr() if hasattr(x, "csr") else np.ascontiguousarray(as_input(x).flatten(1).numpy())
