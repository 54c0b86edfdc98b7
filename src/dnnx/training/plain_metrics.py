"""Metrics that a LightningModule logs: split/metric, direction and unit from their names, and the monitored one."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dnnx.basics.errors import near_misses

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
PREFIX = re.compile(rf"({'|'.join(SPLITS)})[/_.\- ]+(.+)")
SUFFIX = re.compile(rf"(.+)[/_.\- ]+({'|'.join(SPLITS)})")
SHARES = ("acc", "accuracy", "precision", "recall", "f1", "auc", "auroc", "iou", "dice")  # in [0, 1], higher is better
LOSSES = ("loss", "nll", "mse", "mae", "rmse", "error", "perplexity")  # lower is better


def split_of(name: str, in_validation: Sequence[str] = ()) -> tuple[str, str]:
    """Return the split and the metric of a logged name. A name without a split belongs to the stage that logged it.

    Example: `val_loss` and `val/loss` are ("val", "loss").
    """
    name = re.sub(r"[,\n\r\"]", "_", name)
    if match := PREFIX.fullmatch(name):
        return SPLITS[match[1]], match[2]
    if match := SUFFIX.fullmatch(name):
        return SPLITS[match[2]], match[1]
    return ("val" if name in in_validation else "train"), name


def words(metric: str) -> list[str]:
    return re.split(r"[/_.\- ]+", metric.lower())


def direction(metric: str) -> str | None:
    """Return "higher" or "lower" if a metric's name tells the better direction, else None."""
    if any(word in LOSSES for word in words(metric)):
        return "lower"
    return "higher" if any(word in SHARES for word in words(metric)) else None


@dataclass(frozen=True)
class Monitor:
    """The metric that stops a training and chooses its best epoch; `key` is `split/metric`."""

    name: str
    key: str
    mode: str

    @property
    def sign(self) -> int:
        return 1 if self.mode == "min" else -1

    def absent(self, logged: Iterable[str]) -> str:
        """Return the message for a monitored metric that was not logged."""
        names = list(logged)
        if not names:
            return "module: it logs nothing; call self.log('val_loss', loss) in validation_step"
        return (
            f"monitor={self.name}: the module never logs it; it logs {', '.join(names)}{near_misses(self.name, names)}"
        )


def choose_monitor(asked: str | None, mode: str | None, logged: Sequence[str], in_validation: Sequence[str]) -> Monitor:
    """Return the monitored metric: the one that was `asked` for, else val/loss, else the first of validation.

    `logged` are the names in the module's own form.
    """
    keys = {"/".join(split_of(name, in_validation)): name for name in logged}
    found = next((name for key, name in keys.items() if asked in (name, key)), None)
    if asked is None:
        of_val = [name for key, name in keys.items() if key.startswith("val/")]
        found = keys.get("val/loss") or next(iter(of_val or logged), None)
    name = found or asked or ""
    split, metric = split_of(name, in_validation)
    better = direction(metric)
    return Monitor(name, f"{split}/{metric}", mode or ("max" if better == "higher" else "min"))


def about(results: dict[str, Any], monitor: Monitor) -> dict[str, dict[str, Any]]:
    """Return unit and direction of every metric of train, val and test in `results`.

    A metric with the monitored metric's name has its direction. For others the name decides.
    """
    told = {}
    for key, values in results.items():
        split, _, metric = key.partition("/")
        if split not in ("train", "val", "test"):
            continue
        better = direction(metric)
        if metric == monitor.key.partition("/")[2]:
            better = "lower" if monitor.mode == "min" else "higher"
        numbers = [value for value in values if value is not None]
        is_share = any(word in SHARES for word in words(metric)) and all(0 <= value <= 1 for value in numbers)
        told[key] = {"unit": "%" if is_share else "", "better": better}
    return told
