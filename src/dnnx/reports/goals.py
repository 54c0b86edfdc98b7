"""Goals: a metric that reaches a number, as the share of seeds that do and as the first epoch in which they do.

study:
  claims:
    reached/test/loss<0.177: three > two      # 1 for a seed that reaches it, else 0: an exact test of shares
    epoch/val/loss<0.177: three < two         # first epoch below it; a seed that never is counts as later than any
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dnnx.runs.about import About, split_of
from dnnx.runs.run import Run

FORM = re.compile(r"(reached|epoch)/([^<>]+)([<>])(-?\d*\.?\d+(?:e-?\d+)?)")


@dataclass(frozen=True)
class Goal:
    """A number that a metric is to fall below or to exceed; `kind` is reached or epoch."""

    kind: str
    metric: str
    sign: str
    bound: float

    @property
    def about(self) -> About:
        word = "below" if self.sign == "<" else "above"
        what = f"{self.metric.replace('/', ' ')} {word} {self.bound:g}"
        if self.kind == "reached":
            return About("%", "higher", f"share of seeds with a {what}")
        return About("", "lower", f"first epoch with a {what}")

    def of(self, run: Run) -> pd.Series:
        """Return by seed 1 or 0, or the first epoch, inf for never; nan where it was not measured.

        A diverged seed has not reached the goal, whatever it did before.
        """
        return self._reached(run) if self.kind == "reached" else self._first(run)

    def _holds(self, values: pd.Series) -> pd.Series:
        return values < self.bound if self.sign == "<" else values > self.bound

    def _reached(self, run: Run) -> pd.Series:
        values = run.values(self.metric)
        found = self._holds(values).astype(float).where(values.notna())
        found[run.diverged] = 0.0
        return found

    def _first(self, run: Run) -> pd.Series:
        curve = run.curve(*split_of(self.metric))
        first = pd.Series(np.nan, index=run.seeds)
        for seed in (seed for seed in run.seeds if curve[seed].notna().any()):
            there = curve.index[self._holds(curve[seed])]
            first[seed] = float(there[0]) if len(there) else np.inf
        if len(curve):
            first[run.diverged] = np.inf
        return first


def is_of_epochs(metric: str) -> bool:
    """Return whether a metric is the first epoch in which a goal is reached."""
    goal = parse_goal(metric)
    return goal is not None and goal.kind == "epoch"


def parse_goal(metric: str) -> Goal | None:
    """Return the goal that a metric's name states, or None for any other metric.

    >>> parse_goal("epoch/val/loss<0.09")
    Goal(kind='epoch', metric='val/loss', sign='<', bound=0.09)
    """
    found = FORM.fullmatch(metric)
    return Goal(found[1], found[2], found[3], float(found[4])) if found else None
