"""Verdicts: each declared claim of a study becomes yes, no or undecided, with its numbers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dnnx.reports.format import show, show_difference, suffix
from dnnx.reports.measures import ONCE_PER_RUN, RACES, describe, reach, reference_targets, values
from dnnx.reports.statistics import Difference, difference, holm, matching_level
from dnnx.runs.about import About
from dnnx.runs.run import Run, Study


@dataclass(frozen=True)
class Verdict:
    """One answer at 95 % by the Holm-adjusted `p`: yes, no (the contrary is shown) or undecided."""

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
    """Return a verdict per declared claim, and a line for each claim whose arm is missing.

    A study without claims compares every arm with the reference by the main metric.
    """
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


def _usual(study: Study) -> list[dict[str, str]]:
    """Return a claim for every arm except the reference: better than the reference by the main metric."""
    metric = study.main
    expect = study.about(metric).better or "higher"
    ask = f"Is the {metric.replace('/', ' ')} of {{}} {expect} than that of {{}}?"
    return [
        {"ask": ask.format(run.name, study.reference), "metric": metric, "arm": run.name}
        | {"than": study.reference, "expect": expect}
        for run in study.runs
        if run.name != study.reference
    ]


def _answer(gap: Difference, p: float, expect: str) -> str:
    if not p < 0.05 or gap.direction == 0:
        return "undecided"
    return "yes" if (gap.direction > 0) == (expect == "higher") else "no"


def _evidence(
    metrics: tuple[str, str], arm: Run, than: Run, pair: tuple[pd.Series, pd.Series], gap: Difference, p: float,
    family: int,
) -> str:  # fmt: skip
    (metric, other), (a, b) = metrics, (series.dropna() for series in pair)
    about, other_about = describe(metric, [arm, than]), describe(other, [than, arm])
    for run, named, measured in ((arm, about.words, a), (than, other_about.words, b)):
        if measured.empty:
            return f"{named} was not measured in {run.name}"
    typical, word = (np.mean, "mean ") if np.isfinite([*a, *b]).all() else (np.median, "median ")
    against = f"{'' if other == metric else f'{other_about.words} '}{show(typical(b), other_about)} ({than.name})"
    text = f"{word}{about.words} {show(typical(a), about)} ({arm.name}) against {against}"
    if metric.startswith(ONCE_PER_RUN) or other.startswith(ONCE_PER_RUN):
        return f"{text.removeprefix('mean ')}; measured once per run, n = 1, so chance cannot be told from effect"
    return "; ".join([f"{text}{_test(about, gap, p, family, len(a), len(b))}", *_caveats(metric, about, arm, than)])


def _test(about: About, gap: Difference, p: float, family: int, n_arm: int, n_than: int) -> str:
    pairs = f"n = {gap.n} seeds" if gap.test in ("paired t test", "sign test") else f"n = {n_arm} and {n_than} seeds"
    if gap.test == "no test":
        return f"; n = {min(gap.n, n_arm, n_than)}, and one seed shows no spread"
    wide = f"95 % interval{f' widened for {family} verdicts' if family > 1 else ''}"
    spread = ""
    if gap.test.endswith("t test"):
        mean, low, high = (show_difference(x, about) for x in (gap.mean, gap.low, gap.high))
        spread = f", difference {mean}{suffix(about, difference=True)} ({wide} {low} to {high})"
    elif gap.test == "sign test":
        spread = f", higher in {gap.higher}, lower in {gap.lower}, equal in {gap.n - gap.higher - gap.lower} seeds"
        if unequal := gap.higher + gap.lower:
            spread += f" (share of higher {gap.higher / unequal:.0%}, {wide} {gap.low:.0%} to {gap.high:.0%})"
    adjusted = f"Holm-adjusted over {family} verdicts, " if family > 1 else ""
    return f"{spread}, {gap.test}, {pairs}, {adjusted}{'p < 0.001' if p < 0.001 else f'p = {p:.3g}'}"


def _caveats(metric: str, about: About, arm: Run, than: Run) -> list[str]:
    told = []
    if set(arm.seeds) != set(than.seeds):
        told.append("the arms have unequal seeds, so the comparison is unpaired")
    worst = "count as worst" if about.sign else "are left out"
    lost = [] if metric == "diverged/share" else [run for run in (arm, than) if run.diverged]
    told += [f"{len(r.diverged)} of {len(r.seeds)} seeds of {r.name} diverged and {worst}" for r in lost]
    if metric in RACES:
        reached = reach(arm, reference_targets(arm, than), metric)
        told.append(
            f"{arm.name} reaches the best loss of {than.name} in {np.isfinite(reached).sum()} of {len(reached)} seeds"
        )
    if metric == "convergence/seconds":
        told.append("all seeds of an arm share one clock and one machine load")
    return told
