"""Runs and studies as plain dataclasses: the content of their folders, and the queries that reports make."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dnnx.runs import about as metrics_about
from dnnx.runs import schema
from dnnx.runs.about import About, is_loss
from dnnx.runs.looks import Look, Looks

COLUMNS = ["epoch", "split", "metric", "seed", "value"]
PREDICTED = ("probabilities", "outputs")  # in predictions.safetensors, by seed
CLOSE = 1e-4  # relative: rounding errors of 32 bits after thousands of steps; random starts differ by percents


@dataclass
class Run:
    """One arm. A file that is absent or unreadable leaves its field empty and a line in `missing` or `broken`."""

    name: str
    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    metrics: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))
    results: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    predictions: dict[str, np.ndarray] = field(default_factory=dict)
    lr_search: pd.DataFrame | None = None  # None unless the learning rate was searched
    parts: list[list[int]] = field(default_factory=list)  # seeds of each shard
    earlier: list[list[int]] = field(default_factory=list)  # seeds of each result before seeds were added
    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        return self.results.get("seeds") or sorted(self.metrics["seed"].unique().tolist())

    def limited(self, seeds: Sequence[int]) -> "Run":
        """Return the run with the values of these seeds alone, without those of its ensemble."""
        places = [place for place, seed in enumerate(self.seeds) if seed in seeds]
        if len(places) == len(self.seeds):
            return self
        results = {
            name: values if name == "about" else [values[place] for place in places]
            for name, values in self.results.items()
            if not name.startswith("ensemble/")
        }
        of_seeds = {name: self.predictions[name][places] for name in PREDICTED if name in self.predictions}
        predictions = dict(self.predictions) | of_seeds
        metrics = self.metrics[self.metrics["seed"].isin(list(seeds))]
        return replace(self, results=results, predictions=predictions, metrics=metrics)

    @property
    def diverged(self) -> list[int]:
        epochs = self.values("epoch/diverged")
        return epochs.index[epochs.notna()].tolist()

    def values(self, metric: str) -> pd.Series:
        """Return the final value of a metric for each seed; nan if it was not measured."""
        values = self.results.get(metric, [None] * len(self.seeds))
        numbers = [np.nan if value is None else float(value) for value in values]
        return pd.Series(numbers, index=self.seeds, dtype=float)

    @property
    def items(self) -> str:
        """Return "images" where an example has the axes of one (channels, height, width), else "examples"."""
        return "images" if len(self.data.get("in_shape") or ()) > 2 else "examples"

    @property
    def is_fixed(self) -> bool:
        """Return whether nothing in the training is random: two seeds or more have the same losses and curves.

        So it is where the initial weights are given and a batch holds all examples. Seeds then differ by rounding only,
        as each adds up the examples in its own order.
        """
        curves = self.metrics[self.metrics["split"].isin(("train", "val"))].replace([np.inf, -np.inf], np.nan).dropna()
        if len(self.seeds) < 2 or curves.empty:
            return False
        values = curves.groupby(["epoch", "split", "metric"])["value"].agg(["min", "max", "count"])
        near = np.isclose(values["min"], values["max"], rtol=CLOSE, atol=0)
        return bool((near & (values["count"] == len(self.seeds))).all())

    @property
    def is_merged(self) -> bool:
        """Return whether it trained with other arms as one network."""
        return bool(self.environment.get("merged_with"))

    @property
    def num_cut_off(self) -> int:
        """Return of how many seeds the last epoch allowed is the best one; 0 with a schedule, which ends by design."""
        best, most = self.values("epoch/best").dropna(), self.setting("trainer.max_epochs")
        is_constant = str(self.setting("scheduler._target_")).endswith(".ConstantLR")
        return int((best == most).sum()) if is_constant else 0

    def fit_seconds(self) -> float:
        """Return the seconds of training: of each shard until its last seed ended, all added."""
        times = self.values("time/fit_s")
        return float(sum(times.reindex(part).max() for part in self.parts or [self.seeds]))

    def one(self, metric: str) -> float:
        """Return the value of a metric that the run has once, not per seed; nan if it was not measured."""
        values = [v for v in self.results.get(metric, []) if v is not None]
        return float(np.mean(values)) if values else np.nan

    def setting(self, key: str) -> Any:
        """Return the value of a dotted key of config.yaml, or None if the key is absent."""
        value: Any = self.config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def about(self, metric: str) -> About:
        """Return unit and direction of a metric."""
        return metrics_about.about(self.results, metric)

    def curves(self, split: str) -> list[str]:
        """Return the metrics that metrics.csv holds for a split, losses first."""
        found = self.metrics.loc[self.metrics["split"] == split, "metric"].unique()
        return sorted(map(str, found), key=lambda name: not is_loss(name))

    @property
    def hidden_layers(self) -> dict[str, list[str]]:
        """Return the hidden layers that callbacks.layer_statistics recorded, from the bottom.

        The key is the run's name. A net with two towers has a key for each: the run's name and the tower's.
        """
        found: dict[str, list[str]] = {}
        seen = self.metrics["split"][self.metrics["metric"].isin(("activation_mean", "dead_units"))]
        for name in map(str, seen.unique()):
            tower, is_in_list, _ = name.rpartition("hidden_layers.")
            words = tower.replace("_", " ").split(".") if is_in_list else []
            found.setdefault(" ".join([self.name, *words]).strip(), []).append(name)
        return found

    def through_depth(self, layers: list[str], statistic: str, epochs: pd.Series) -> pd.DataFrame:
        """Return a statistic of some layers (rows) for each seed (columns), each at its own epoch; nan if missing."""
        rows = self.metrics[(self.metrics["metric"] == statistic) & self.metrics["split"].isin(layers)]
        rows = rows[rows["epoch"] == rows["seed"].map(epochs)]
        table = rows.drop_duplicates(["split", "seed"], keep="last").pivot(
            index="split", columns="seed", values="value"
        )
        return table.reindex(index=layers, columns=self.seeds).replace([np.inf, -np.inf], np.nan)

    def curve(self, split: str, metric: str) -> pd.DataFrame:
        """Return one row per epoch and one column per seed; nan if the seed had ended or its value is not finite."""
        rows = self.metrics[(self.metrics["split"] == split) & (self.metrics["metric"] == metric)]
        curve = rows.drop_duplicates(["epoch", "seed"], keep="last").pivot(
            index="epoch", columns="seed", values="value"
        )
        return curve.reindex(columns=self.seeds).replace([np.inf, -np.inf], np.nan)


@dataclass
class Study:
    """Arms that answer one question.

    `verdicts` are the declared claims: {ask, metric, arm, than, expect[, than_metric]}. `axes` are the keys that were
    swept besides the arm. `looks` are those of a study that goes on until it is decided. `unfinished` are the arms
    without results. `published` are numbers of the main metric by arm, in the unit in which it is shown. `epochs` are
    the declared lengths of the arms.
    """

    name: str
    question: str
    reference: str
    runs: list[Run]
    verdicts: list[dict[str, Any]]
    missing: list[str]
    axes: list[str] = field(default_factory=list)
    looks: Looks | None = None
    unfinished: list[str] = field(default_factory=list)
    published: dict[str, list[float]] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)

    def run(self, name: str) -> Run | None:
        return next((run for run in self.runs if run.name == name), None)

    def at(self, look: Look) -> "Study":
        """Return the study as a look sees it: its arms, with its seeds."""
        return replace(self, runs=[run.limited(look.seeds) for run in self.runs if run.name in look.arms])

    @property
    def main(self) -> str:
        """Return the main metric of the reference, or of the other arms if the reference has none."""
        return main_metric(self.reference_first)

    @property
    def reference_first(self) -> list[Run]:
        return sorted(self.runs, key=lambda run: run.name != self.reference)

    @property
    def items(self) -> str:
        """Return the noun for the examples of the reference: images or examples."""
        return self.reference_first[0].items

    def about(self, metric: str) -> About:
        """Return unit and direction of a metric, from the first arm that has it."""
        having = (run for run in self.runs if metric in run.results)
        return next(having, self.runs[0]).about(metric)

    def metrics_of(self, split: str) -> list[str]:
        """Return the metrics of a split that any arm has, and every arm as one number per seed. Losses come last."""
        named = [name for run in self.reference_first for name in metrics_about.names(run.results, split)]
        held = {name: [value for run in self.runs for value in run.results.get(name, [])] for name in named}
        return sorted((name for name, values in held.items() if _are_numbers(values)), key=is_loss)

    def along(self, axis: str) -> dict[str, dict[float, Run]]:
        """Return runs by line and by their value of a numeric axis. Return {} for fewer than two numbers."""
        lines: dict[str, dict[float, Run]] = {}
        for run in self.runs:
            value = run.setting(axis)
            others = [f"{key.split('.')[-1]} {run.setting(key)}" for key in self.axes if key != axis]
            if schema.is_finite(value):
                lines.setdefault(", ".join([str(run.setting("arm") or "all"), *others]), {})[value] = run
        return lines if len({value for line in lines.values() for value in line}) > 1 else {}


def _are_numbers(values: list[Any]) -> bool:
    return metrics_about.is_scalar(values) and any(value is not None for value in values)


def main_metric(runs: Sequence[Run]) -> str:
    """Return the metric that judges the runs: the first metric of the test set that is no loss, else the loss.

    If no run has results, return the main metric of the validation curves.
    """
    if found := metrics_about.main_metric([run.results for run in runs]):
        return found
    curves = [name for run in runs for name in run.curves("val")]
    return f"test/{min(curves, key=is_loss)}" if curves else "test/loss"
