"""Answers: from the runs of a study and its declared questions to yes, no or undecided, with the numbers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dnnx.basics.errors import UserError
from dnnx.reports.layers import LAYER_METRICS
from dnnx.reports.statistics import PERCENT, Difference, Estimate, difference, first_at_most, holm, matching_level
from dnnx.runs.read import Run, Study

NAMES = {
    "convergence/epochs": "epochs to the validation loss that both reach",
    "convergence/seconds": "seconds to the validation loss that both reach",
    "overfitting/gap": "train minus test accuracy",
    "overfitting/rise": "rise of the validation loss after its best",
    "diverged/share": "share of seeds that diverged",
    "epoch/best": "best epoch",
    "time/epoch_s": "seconds per epoch",
    "time/test_s": "seconds for the test set",
    "time/mc_s": "seconds for the test set by MC dropout",
    "time/dense_s": "seconds for the test set by one network",
    "time/sparse_s": "seconds for the test set by one network in sparse rows",
    "size/dense_bytes": "bytes of a network",
    "size/sparse_bytes": "bytes of a network in sparse rows",
    "sparsity": "share of weights that are zero",
    "dead/share": "share of dead hidden units",
    "equal/share": "share of hidden units equal to another of their layer",
    "gradient/start": "log10 of the gradient norm of the lowest hidden layer at the start",
    "mc/accuracy": "test accuracy by MC dropout",
    "mc/nll": "test NLL by MC dropout",
    "mc/brier": "Brier score by MC dropout",
    "mc/ece": "calibration error by MC dropout",
    "test/nll": "test NLL",
    "test/brier": "Brier score",
    "test/ece": "calibration error",
}
BETTER = {
    "accuracy": 1, "accuracy_at_half": 1, "precision": 1, "recall": 1, "f1": 1, "auc": 1, "loss": -1, "epochs": -1,
    "seconds": -1, "nll": -1, "brier": -1, "ece": -1,
}  # fmt: skip
NO_BREAK = "\u00a0"
ONCE_PER_RUN = ("time/", "memory/", "ensemble/")


@dataclass(frozen=True)
class Verdict:
    """`answer` is yes, no (the contrary is shown) or undecided, at 95 % by the Holm-adjusted `p`."""

    ask: str
    answer: str
    metric: str
    arm: str
    than: str
    difference: Difference
    p: float
    evidence: str

    @property
    def sentence(self) -> str:
        return f"{self.ask} {self.answer.capitalize()}: {self.evidence}"


def decide(study: Study) -> tuple[list[Verdict], list[str]]:
    """The declared verdicts, or test accuracy against the reference; and a line for each that lacks its arm."""
    lost, asked = [], []
    for spec in study.verdicts or _usual(study):
        arm, than = study.run(spec["arm"]), study.run(spec["than"])
        if arm and than:
            asked.append((spec, arm, than, values(spec["metric"], arm, than, spec.get("than_metric"))))
        else:
            lost.append(f"no answer to '{spec['ask']}': it needs the arms {spec['arm']} and {spec['than']}")
    p = [difference(*pair).p for *_, pair in asked]
    adjusted = holm(p)
    family = int(np.count_nonzero(~np.isnan(p)))
    verdicts = []
    for (spec, arm, than, pair), raw, corrected in zip(asked, p, adjusted, strict=True):
        gap = difference(*pair, level=matching_level(raw, corrected))
        metrics = spec["metric"], spec.get("than_metric", spec["metric"])
        evidence = f"{_evidence(metrics, arm, than, pair, gap, corrected, family)}."
        answer = _answer(gap, corrected, spec["expect"])
        key = (spec["ask"], answer, spec["metric"], arm.name, than.name)
        verdicts.append(Verdict(*key, difference=gap, p=corrected, evidence=evidence))
    return verdicts, lost


def values(metric: str, arm: Run, than: Run, than_metric: str | None = None) -> tuple[pd.Series, pd.Series]:
    """Both arms' values by seed; a diverged seed is worse than any number where better and worse have a meaning.

    With `than_metric` the other arm's are of that metric of results.json.
    """
    if than_metric:
        return _values(metric, arm), _values(than_metric, than)
    if metric.startswith("convergence/"):
        targets = shared_targets(arm, than)
        return reach(arm, targets, metric), reach(than, targets, metric)
    return _values(metric, arm), _values(metric, than)


def gap(run: Run) -> pd.Series:
    return run.values("train/accuracy") - run.values("test/accuracy")


def rise(run: Run) -> pd.Series:
    """Validation loss at a seed's last epoch minus its best; nan for diverged seeds."""
    curve = run.curve("val", "loss").drop(columns=run.diverged)
    last = curve.ffill().iloc[-1] if len(curve) else pd.Series(dtype=float)
    return (last - curve.min()).reindex(run.seeds)


def diverged(run: Run) -> pd.Series:
    """1 for a seed that diverged, else 0: the mean is their share."""
    return pd.Series([float(seed in run.diverged) for seed in run.seeds], index=run.seeds)


def reach(run: Run, targets: pd.Series, metric: str) -> pd.Series:
    """Epoch or wall seconds at which each seed first has its target loss; inf: never; nan: not measured."""
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
    """The loss that both arms reach: the higher of their bests, by seed, or of their mean bests if unpaired.

    The reference's own best would be no fair target for a test: the reference reaches it by definition, and an
    equal arm misses it in half of the seeds.
    """
    bests = pd.concat([_best_losses(arm), _best_losses(than)], axis=1)
    if set(arm.seeds) == set(than.seeds):
        return bests.max(axis=1)
    return pd.Series(bests.mean().max(), index=bests.index)


def reference_targets(arm: Run, reference: Run) -> pd.Series:
    """The reference's best validation loss: of the same seed, or its mean where the seeds are others."""
    best = _best_losses(reference)
    return best if set(arm.seeds) == set(reference.seeds) else pd.Series(best.mean(), index=arm.seeds)


def show(metric: str, value: float) -> str:
    if np.isnan(value):
        return "not measured"
    if np.isinf(value):
        return "never"
    if _is_share(metric):
        return f"{100 * value:.2f}{' points' if metric == 'overfitting/gap' else ' %'}"
    return number(value)


def show_estimate(metric: str, e: Estimate) -> str:
    """Mean, t interval and n, as every table shows them."""
    if e.n < 2:
        return f"{show(metric, e.mean)} (n = {e.n})" if e.n else "not measured"
    low, high = (show(metric, bound).removesuffix(" %").removesuffix(" points") for bound in (e.low, e.high))
    interval, n = (text.replace(" ", NO_BREAK) for text in (f"({low} to {high},", f"n = {e.n})"))
    return f"{show(metric, e.mean)} {interval} {n}"


def number(x: float) -> str:
    """Three significant digits, and never more than an integer shows."""
    return f"{x:,.0f}" if abs(x) >= 100 or x == 0 else f"{x:#.3g}".removesuffix(".")


def _usual(study: Study) -> list[dict[str, str]]:
    """On test accuracy; on test loss where no run has any."""
    only_loss = all({"test/loss"} == {"test/loss", "test/accuracy"} & set(run.results) for run in study.runs)
    metric, expect = ("test/loss", "lower") if only_loss else ("test/accuracy", "higher")
    ask = f"Is the {metric.replace('/', ' ')} of {{}} {expect} than that of {{}}?"
    return [
        {"ask": ask.format(run.name, study.reference), "metric": metric, "arm": run.name}
        | {"than": study.reference, "expect": expect}
        for run in study.runs
        if run.name != study.reference
    ]


def _values(metric: str, run: Run) -> pd.Series:
    if metric.startswith(ONCE_PER_RUN):
        return pd.Series([run.one(metric)], index=["run"])
    if any(isinstance(value, list) for value in run.results.get(metric, [])):
        raise UserError(
            f"verdict metric {metric}: it is not one number per seed; ask for another, such as test/accuracy"
        )
    derived = {"overfitting/gap": gap, "overfitting/rise": rise, "diverged/share": diverged, **LAYER_METRICS}
    found = derived[metric](run) if metric in derived else run.values(metric)
    if better := BETTER.get(metric.split("/")[-1]):
        found[run.diverged] = -better * np.inf
    return found


def _best_losses(run: Run) -> pd.Series:
    best = run.curve("val", "loss").min().reindex(run.seeds)
    best[run.diverged] = np.nan
    return best


def _answer(gap: Difference, p: float, expect: str) -> str:
    if not p < 0.05 or gap.direction == 0:
        return "undecided"
    return "yes" if (gap.direction > 0) == (expect == "higher") else "no"


def _evidence(
    metrics: tuple[str, str], arm: Run, than: Run, pair: tuple[pd.Series, pd.Series], gap: Difference, p: float,
    family: int,
) -> str:  # fmt: skip
    (metric, other), (a, b) = metrics, (series.dropna() for series in pair)
    name, other_name = (NAMES.get(metric, metric.replace("/", " ")) for metric in metrics)
    for run, named, measured in ((arm, name, a), (than, other_name, b)):
        if measured.empty:
            return f"{named} was not measured in {run.name}"
    typical, word = (np.mean, "mean ") if np.isfinite([*a, *b]).all() else (np.median, "median ")
    against = f"{'' if other == metric else f'{other_name} '}{show(other, typical(b))} ({than.name})"
    text = f"{word}{name} {show(metric, typical(a))} ({arm.name}) against {against}"
    if metric.startswith(ONCE_PER_RUN) or other.startswith(ONCE_PER_RUN):
        return f"{text.removeprefix('mean ')}; measured once per run, n = 1, so chance cannot be told from effect"
    return "; ".join([f"{text}{_test(metric, gap, p, family, len(a), len(b))}", *_caveats(metric, arm, than)])


def _test(metric: str, gap: Difference, p: float, family: int, n_arm: int, n_than: int) -> str:
    pairs = f"n = {gap.n} seeds" if gap.test in ("paired t test", "sign test") else f"n = {n_arm} and {n_than} seeds"
    if gap.test == "no test":
        return f"; n = {min(gap.n, n_arm, n_than)}, and one seed shows no spread"
    wide = f"95 % interval{f' widened for {family} verdicts' if family > 1 else ''}"
    spread = ""
    if gap.test.endswith("t test"):
        points = " points" if _is_share(metric) else ""
        mean, low, high = (_signed(100 * x if points else x) for x in (gap.mean, gap.low, gap.high))
        spread = f", difference {mean}{points} ({wide} {low} to {high})"
    elif gap.test == "sign test":
        spread = f", higher in {gap.higher}, lower in {gap.lower}, equal in {gap.n - gap.higher - gap.lower} seeds"
        if unequal := gap.higher + gap.lower:
            spread += f" (share of higher {gap.higher / unequal:.0%}, {wide} {gap.low:.0%} to {gap.high:.0%})"
    adjusted = f"Holm-adjusted over {family} verdicts, " if family > 1 else ""
    return f"{spread}, {gap.test}, {pairs}, {adjusted}{'p < 0.001' if p < 0.001 else f'p = {p:.3g}'}"


def _signed(x: float) -> str:
    return f"{'+' if x > 0 else ''}{number(x)}"


def _caveats(metric: str, arm: Run, than: Run) -> list[str]:
    told = []
    if set(arm.seeds) != set(than.seeds):
        told.append("the arms have unequal seeds, so the comparison is unpaired")
    worst = "count as worst" if metric.split("/")[-1] in BETTER else "are left out"
    lost = [] if metric == "diverged/share" else [run for run in (arm, than) if run.diverged]
    told += [f"{len(r.diverged)} of {len(r.seeds)} seeds of {r.name} diverged and {worst}" for r in lost]
    if metric.startswith("convergence/"):
        reached = reach(arm, reference_targets(arm, than), metric)
        told.append(
            f"{arm.name} reaches the best loss of {than.name} in {np.isfinite(reached).sum()} of {len(reached)} seeds"
        )
    if metric == "convergence/seconds":
        told.append("all seeds of an arm share one clock and one machine load")
    return told


def _is_share(metric: str) -> bool:
    return metric.split("/")[-1] in (*PERCENT, "gap")
