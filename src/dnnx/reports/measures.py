"""Metrics as a verdict compares them: one value per seed, from results.json or derived from curves."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dnnx.basics.errors import UserError
from dnnx.reports.comparison import pairs
from dnnx.reports.goals import parse_goal
from dnnx.reports.layers import dead, equal, gradient_start, mean_activation
from dnnx.reports.statistics import first_at_most
from dnnx.runs.about import About, is_scalar, split_of
from dnnx.runs.run import Run, main_metric

ONCE_PER_RUN = ("time/", "memory/", "ensemble/")
SLACK = 1.1  # a race is to this many times the loss that both arms reach


@dataclass(frozen=True)
class Measure:
    """A metric that is not in results.json: its unit and words, and a function of a run and its main metric to values
    by seed.
    """

    about: About
    of: Callable[[Run, str], pd.Series]


def describe(metric: str, runs: list[Run]) -> About:
    """Return unit, direction and words of a metric: one of results.json, a derived one, or a race."""
    if metric == "overfitting/gap":
        return describe_gap(runs)
    if goal := parse_goal(metric):
        return goal.about
    if metric in DERIVED:
        return DERIVED[metric].about
    about = next((run for run in runs if metric in run.results), runs[0]).about(metric)
    return about if about.words else About(about.unit, about.better, metric.replace("/", " "), about.note)


def values(metric: str, arm: Run, than: Run, than_metric: str | None = None) -> tuple[pd.Series, pd.Series]:
    """Return both arms' values by seed. A diverged seed counts as worse than any number if the direction is known.

    With `than_metric` the other arm's values come from that metric of results.json.
    """
    main = main_metric([than, arm])
    if than_metric:
        return of_run(metric, arm, main), of_run(than_metric, than, main)
    if metric in RACES:
        targets = shared_targets(arm, than)
        return reach(arm, targets, metric), reach(than, targets, metric)
    return of_run(metric, arm, main), of_run(metric, than, main)


def of_run(metric: str, run: Run, main: str) -> pd.Series:
    """Return the values of a metric by seed. Raise UserError for one that is no single number per seed."""
    if goal := parse_goal(metric):
        return goal.of(run)
    if metric.startswith(ONCE_PER_RUN):
        return pd.Series([run.one(metric)], index=["run"])
    if not is_scalar(run.results.get(metric, [])):
        raise UserError(f"verdict metric {metric}: it is not one number per seed; ask for another, such as {main}")
    found = DERIVED[metric].of(run, main) if metric in DERIVED else run.values(metric)
    if sign := describe(metric, [run]).sign:
        found[run.diverged] = -sign * np.inf
    return found


def gap(run: Run, main: str) -> pd.Series:
    """Return how much better the training set is than the test set in the main metric."""
    train, test = run.values(f"train/{split_of(main)[1]}"), run.values(main)
    return test - train if run.about(main).sign < 0 else train - test


def describe_gap(runs: list[Run]) -> About:
    """Return the unit and direction of the gap between training and test set: shares in points, better minus worse."""
    main = main_metric(runs)
    about = describe(main, runs)
    split, rest = split_of(main)
    first, second = (split, "train") if about.sign < 0 else ("train", split)
    return About("points" if about.unit == "%" else about.unit, None, f"{first} minus {second} {rest}")


def rise(run: Run, main: str = "") -> pd.Series:
    """Return the validation loss at a seed's last epoch minus its best; nan for diverged seeds."""
    curve = run.curve("val", "loss").drop(columns=run.diverged)
    last = curve.ffill().iloc[-1] if len(curve) else pd.Series(dtype=float)
    return (last - curve.min()).reindex(run.seeds)


def diverged(run: Run, main: str = "") -> pd.Series:
    """Return 1 for a seed that diverged, else 0. The mean is the share of diverged seeds."""
    return pd.Series([float(seed in run.diverged) for seed in run.seeds], index=run.seeds)


def reach(run: Run, targets: pd.Series, metric: str) -> pd.Series:
    """Return the epoch or wall seconds at which each seed first has its target loss; inf: never; nan: not measured."""
    losses, clock = run.curve("val", "loss"), run.curve("time", "elapsed_s")
    reached = pd.Series(np.nan, index=run.seeds)
    reached[run.diverged] = np.inf
    for seed in run.seeds:
        if np.isnan(reached[seed]) and losses[seed].notna().any() and not np.isnan(targets[seed]):
            epoch = first_at_most(losses[seed], targets[seed])
            in_seconds = metric == "convergence/seconds" and np.isfinite(epoch)
            reached[seed] = clock[seed].get(epoch, np.nan) if in_seconds else epoch
    return reached


def shared_targets(arm: Run, than: Run) -> pd.Series:
    """Return 1.1 times the loss that both arms reach: the higher of their bests, by seed, or of their mean bests.

    The means are for arms that share too few seeds to be compared in pairs. The reference's own best would be no fair
    target for a test: the reference reaches it by definition, and an equal arm misses it in half of the seeds. The best
    itself is where the curve is flat, so noise decides when it is first reached; 1.1 times it is still on the slope.
    """
    ours, theirs = _best_losses(arm), _best_losses(than)
    bests = pd.concat([ours, theirs], axis=1)
    is_paired = pairs(ours, theirs) is not None
    loss = bests.max(axis=1) if is_paired else pd.Series(bests.mean().max(), index=bests.index)
    return loss.where(loss <= 0, SLACK * loss)


def epoch_seconds(run: Run) -> list[float]:
    """Return the wall seconds of each epoch but the first, which holds the start."""
    seconds = run.curve("time", "elapsed_s").max(axis=1).diff().dropna()
    return [float(x) for x in seconds if x > 0]


def reference_targets(arm: Run, reference: Run) -> pd.Series:
    """Return the reference's best validation loss of the same seed, or its mean if the seeds differ."""
    best = _best_losses(reference)
    return best if set(arm.seeds) == set(reference.seeds) else pd.Series(best.mean(), index=arm.seeds)


def _best_losses(run: Run) -> pd.Series:
    best = run.curve("val", "loss").min().reindex(run.seeds)
    best[run.diverged] = np.nan
    return best


def _race(unit: str) -> Measure:
    """Return a race between two arms. It has no value for a single run."""
    words = f"{unit} to {SLACK} times the validation loss that both reach"
    about = About("s" if unit == "seconds" else "", "lower", words)
    return Measure(about, lambda run, main: pd.Series(np.nan, index=run.seeds))


RACES = {f"convergence/{unit}": _race(unit) for unit in ("epochs", "seconds")}
OF_LAYERS = {
    "dead/share": Measure(About("%", None, "share of dead hidden units"), lambda run, main: dead(run)),
    "equal/share": Measure(
        About("%", None, "share of hidden units equal to another of their layer"), lambda run, main: equal(run)
    ),
    "gradient/start": Measure(
        About(words="log10 of the gradient norm of the lowest hidden layer at the start"),
        lambda run, main: gradient_start(run),
    ),
    "activation/mean": Measure(
        About(words="absolute mean activation of the hidden layers"), lambda run, main: mean_activation(run)
    ),
}
DERIVED = {
    "overfitting/gap": Measure(About(), gap),
    "overfitting/rise": Measure(About(words="rise of the validation loss after its best"), rise),
    "diverged/share": Measure(About("%", None, "share of seeds that diverged"), diverged),
    **RACES,
    **OF_LAYERS,
}
