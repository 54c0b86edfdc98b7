"""Unit and direction of a metric: results.json holds them under `about`, and every reader asks here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from dnnx.runs.legacy import about_of_old

SPLITS = ("train", "val", "test")
SHARES = {"%": 100, "points": 100}  # units of a number between 0 and 1 that is shown times this factor
MANY = re.compile(r"(\d+) (.+)")  # a unit such as "100 k$": 0.56 of it is shown as 56 k$
NOT_METRICS = ("about", "seeds")  # keys of results.json
UNITS = {"sparsity": "%", "time": "s"}  # of what no task describes: a metric, or all of a kind
WORDS = {
    "epoch/best": "best epoch",
    "time/epoch_s": "seconds per epoch",
    "time/test_s": "seconds for the test set",
    "time/mc_s": "seconds for the test set by MC dropout",
    "time/dense_s": "seconds for the test set by one network",
    "time/sparse_s": "seconds for the test set by one network in sparse rows",
    "size/dense_bytes": "bytes of a network",
    "size/sparse_bytes": "bytes of a network in sparse rows",
    "sparsity": "share of weights that are zero",
    "mc/accuracy": "test accuracy by MC dropout",
    "mc/nll": "test NLL by MC dropout",
    "mc/brier": "Brier score by MC dropout",
    "mc/ece": "calibration error by MC dropout",
    "test/nll": "test NLL",
    "test/brier": "Brier score",
    "test/ece": "calibration error",
}


@dataclass(frozen=True)
class About:
    """How a metric is shown and which direction is better.

    `unit` is "%" for a share between 0 and 1, "" for a plain number, and may begin with a whole number, "100 k$".
    `better` is "higher", "lower" or None where neither is. `words` name the metric in a sentence, and `note` is a
    sentence for the caption of a table.
    """

    unit: str = ""
    better: str | None = None
    words: str = ""
    note: str = ""

    @property
    def scale(self) -> int:
        """Return the factor between the stored and the shown number."""
        return int(found[1]) if (found := MANY.fullmatch(self.unit)) else SHARES.get(self.unit, 1)

    @property
    def shown_unit(self) -> str:
        """Return the unit of the shown number.

        >>> About("100 k$").scale, About("100 k$").shown_unit, About("°C").shown_unit
        (100, 'k$', '°C')
        """
        return found[2] if (found := MANY.fullmatch(self.unit)) else self.unit

    @property
    def sign(self) -> int:
        """Return 1 if higher is better, -1 if lower is, 0 if neither is known."""
        return {"higher": 1, "lower": -1}.get(self.better or "", 0)


def split_of(name: str) -> tuple[str, str]:
    """Return the split and the rest of a metric's name; the split is "" where the name has none.

    >>> split_of("test/accuracy"), split_of("val_acc"), split_of("epoch/best")
    (('test', 'accuracy'), ('val', 'acc'), ('epoch', 'best'))
    """
    if found := re.fullmatch(rf"({'|'.join(SPLITS)})[/_](.+)", name):
        return found[1], found[2]
    first, slash, rest = name.partition("/")
    return (first, rest) if slash else ("", name)


def is_loss(name: str) -> bool:
    return split_of(name)[1].endswith("loss")


def is_log_loss(name: str) -> bool:
    """Return whether a metric is a loss or negative log likelihood, which are compared by ratio."""
    return is_loss(name) or split_of(name)[1] == "nll"


def about(results: Mapping[str, Any], name: str) -> About:
    """Return unit and direction of a metric of results.json.

    A metric without an entry of its own has those of the same metric on another split: `train/mae` those of
    `test/mae`. Lower is better for every loss. A run folder without the key `about` is one of an earlier dnnx.
    """
    given = results.get("about") or about_of_old([*results, name])
    entry = given.get(name) or _of_another_split(given, name)
    if entry is None:
        unit = UNITS.get(split_of(name)[0] or name)
        entry = {"unit": unit} if unit else {"better": "lower" if is_loss(name) else None}
    return About(**{"words": WORDS.get(name, ""), **entry})


def _of_another_split(given: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    rest = split_of(name)[1]
    same = (entry for other, entry in given.items() if split_of(other)[1] == rest)
    return next(({"unit": entry["unit"], "better": entry["better"]} for entry in same), None)


def names(results: Mapping[str, Any], split: str) -> list[str]:
    """Return the metrics of a split that hold one number per seed, in the order of results.json, its losses last."""
    found = [name for name in results if name not in NOT_METRICS and split_of(name)[0] == split]
    return sorted((name for name in found if is_scalar(results[name])), key=is_loss)


def is_scalar(values: Sequence[Any]) -> bool:
    """Return whether a metric holds numbers, not lists such as a confusion matrix."""
    return not any(isinstance(value, list) for value in values)


def main_metric(results: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the metric by which some runs are judged: the first of the test set that is no loss, else a loss.

    Metrics of the validation set stand in where no run has any of the test set. None where no run has either.
    """
    for split in ("test", "val"):
        found = (name for result in results for name in names(result, split))  # lazily: there may be 1,000 results
        first = next(found, None)
        if first is not None:
            return next((name for name in chain([first], found) if not is_loss(name)), first)
    return None
