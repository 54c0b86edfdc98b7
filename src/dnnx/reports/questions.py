"""Questions: a claim with the values of its two arms, the scale of its metric, and whether it can be tested at all."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from dnnx.reports.facts import is_fixed
from dnnx.reports.goals import is_of_epochs
from dnnx.reports.measures import ONCE_PER_RUN, describe, values
from dnnx.reports.scales import Scale, scale_of
from dnnx.runs.about import About, split_of
from dnnx.runs.checksums import is_other_data
from dnnx.runs.run import Run

ONCE = "measured once per run, n = 1, so chance cannot be told from effect"
ONE_CLOCK = "seconds are not tested: all seeds of an arm share one clock and one machine load"
FACT = "nothing is random here, so this is a fact about these examples, which other seeds would not change"
TWO_SETS = "{} and {} examples are two fixed sets, and more seeds cannot average out which examples they hold"
SETS = {"train": "training", "val": "validation", "test": "test", "mc": "test"}


@dataclass(frozen=True)
class Question:
    """A claim `spec` about two arms, with their values by seed. `untested` says why seeds cannot decide, or is ""."""

    spec: Mapping[str, Any]
    arm: Run
    than: Run
    values: tuple[pd.Series, pd.Series]
    scale: Scale
    about: About
    untested: str = ""

    @property
    def metric(self) -> str:
        return str(self.spec["metric"])

    @property
    def than_metric(self) -> str:
        return str(self.spec.get("than_metric", self.metric))

    @property
    def is_measured(self) -> bool:
        """Return whether both arms have a value in any seed."""
        return not any(measured.dropna().empty for measured in self.values)

    @property
    def is_tested(self) -> bool:
        return not self.untested

    @property
    def is_fact(self) -> bool:
        """Return whether the answer is known without a test, as nothing is random in both arms."""
        return self.untested == FACT


def ask(spec: Mapping[str, Any], arm: Run, than: Run) -> Question:
    """Return the question that a declared verdict asks about two runs."""
    metric, other = spec["metric"], spec.get("than_metric")
    pair = values(metric, arm, than, other)
    about = describe(metric, [arm, than])
    scale = scale_of(metric, about, pair, counted(metric, arm), spec.get("same"))
    scale = replace(scale, overlap=max(overlap(arm), overlap(than)), ranks=is_of_epochs(metric))
    is_fact = all(is_fixed(run, measured) for run, measured in zip((arm, than), pair, strict=True))
    untested = why_untested(spec) or unlike(arm, than) or (FACT if is_fact else "")
    return Question(spec, arm, than, pair, scale, about, untested)


def counted(metric: str, run: Run) -> int | None:
    """Return how many examples, or hidden units, a share is counted over; None where that is not known."""
    split = split_of(metric)[0]
    if split in ("dead", "equal"):
        hidden = run.setting("net.hidden")
        return sum(hidden) if isinstance(hidden, list) and all(type(width) is int for width in hidden) else None
    return run.data.get("sizes", {}).get({"mc": "test", "overfitting": "test"}.get(split, split))


def overlap(run: Run) -> float:
    """Return the test rows of a fold as a share of the rows that it learns from; 0 without `data.folds`."""
    sizes = run.data.get("sizes", {})
    learned = sizes.get("train", 0) + sizes.get("val", 0)
    return sizes.get("test", 0) / learned if run.setting("data.folds") and learned else 0.0


def unlike(arm: Run, than: Run) -> str:
    """Return why two runs cannot be compared: other data by its checksums, or another version of dnnx; else ""."""
    if is_other_data(arm.data, than.data):
        notes = [run.data.get("note") or run.data["source"] for run in (arm, than)]
        return f"the arms have other data, by checksum ({' and '.join(map(str, notes))})"
    versions = [run.environment.get("dnnx") for run in (arm, than)]
    if None not in versions and versions[0] != versions[1]:
        return f"the arms were trained by other versions, dnnx {versions[0]} and {versions[1]}"
    return ""


def why_untested(spec: Mapping[str, Any]) -> str:
    """Return why seeds cannot answer a declared verdict, or "" where they can. Only its metrics decide that."""
    metric = spec["metric"]
    other = spec.get("than_metric") or metric
    if metric.startswith(ONCE_PER_RUN) or other.startswith(ONCE_PER_RUN):
        return ONCE
    if metric == "convergence/seconds":
        return ONE_CLOCK
    sets = [SETS.get(split_of(name)[0]) for name in (metric, other)]
    return TWO_SETS.format(*sets) if None not in sets and sets[0] != sets[1] else ""
