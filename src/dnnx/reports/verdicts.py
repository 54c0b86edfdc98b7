"""Verdicts: from the runs of a study and its declared claims to answers, with one interval each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dnnx.reports.answers import answer, more_seeds
from dnnx.reports.comparison import ALPHA, Comparison, compare
from dnnx.reports.evidence import evidence, in_words
from dnnx.reports.measures import RACES
from dnnx.reports.pooling import Pool, pool_arms
from dnnx.reports.questions import Question, ask
from dnnx.runs.run import Study


@dataclass(frozen=True)
class Verdict:
    """An answer to one claim: yes, no, same, undecided, or not tested; `words` say it with its margin.

    `comparison` has the interval at the level that all verdicts together keep, `p` is adjusted by Bonferroni.
    """

    question: Question
    answer: str
    words: str
    comparison: Comparison
    p: float
    evidence: str
    more: int | None = None  # seeds that would decide, where it is undecided

    @property
    def ask(self) -> str:
        return str(self.question.spec["ask"])

    @property
    def metric(self) -> str:
        return self.question.metric

    @property
    def arm(self) -> str:
        return self.question.arm.name

    @property
    def than(self) -> str:
        return self.question.than.name

    @property
    def sentence(self) -> str:
        return f"{self.ask} {self.words.capitalize()}: {self.evidence}"


def decide(study: Study, alpha: float = ALPHA) -> tuple[list[Verdict], list[str]]:
    """Return the declared verdicts, or the main metric against the reference; and a line for each without its arm.

    All intervals hold together with a chance of 1 - alpha (Bonferroni), so all answers do.
    """
    lost, questions = [], []
    for spec in study.verdicts or _usual(study):
        arm, than = study.run(spec["arm"]), study.run(spec["than"])
        if arm and than:
            questions.append(ask(spec, arm, than))
        else:
            lost.append(f"no answer to '{spec['ask']}': it needs the arms {spec['arm']} and {spec['than']}")
    family = sum(question.is_tested and compare(*question.values, question.scale).tested for question in questions)
    pools = _pools(questions)
    return [_verdict(question, family, alpha, pools) for question in questions], lost


def _verdict(question: Question, family: int, alpha: float, pools: Mapping[str, Mapping[str, Pool]]) -> Verdict:
    pool = _pool_of(question, pools)
    share = alpha / max(family, 1)
    found = compare(*question.values, question.scale, share, pool)
    p = min(1.0, found.p * max(family, 1)) if found.tested else found.p
    if not question.is_tested:
        return Verdict(
            question, "not tested", "not tested", found, float("nan"), evidence(question, found, share, family)
        )
    given, is_small = answer(found, question.spec["expect"], share, question.scale.margin)
    words = in_words(given, is_small, question.scale)
    told = evidence(question, found, share, family, is_open=given == "undecided")
    more = more_seeds(found, share, question.scale.margin) if given == "undecided" else None
    return Verdict(question, given, words, found, p, told, more)


def _pools(questions: Sequence[Question]) -> dict[str, dict[str, Pool]]:
    """Return the pooled spread of each metric, by arm: of all arms that a verdict compares by it."""
    values: dict[str, dict[str, pd.Series]] = {}
    for question in questions:
        if question.metric not in RACES and not question.spec.get("than_metric"):  # the values of a race are of a pair
            of_metric = values.setdefault(question.metric, {})
            for run, measured in zip((question.arm, question.than), question.values, strict=True):
                of_metric[run.name] = question.scale.transform(measured.dropna())
    return {metric: pool_arms(of_metric) for metric, of_metric in values.items()}


def _pool_of(question: Question, pools: Mapping[str, Mapping[str, Pool]]) -> Pool | None:
    if question.spec.get("than_metric"):
        return None
    arm, than = (pools.get(question.metric, {}).get(run.name) for run in (question.arm, question.than))
    return arm if arm == than else None


def _usual(study: Study) -> list[dict[str, Any]]:
    """Return a claim for every arm but the reference: better than the reference by the main metric."""
    metric = study.main
    expect = study.about(metric).better or "higher"
    ask = f"Is the {metric.replace('/', ' ')} of {{}} {expect} than that of {{}}?"
    return [
        {"ask": ask.format(run.name, study.reference), "metric": metric, "arm": run.name}
        | {"than": study.reference, "expect": expect}
        for run in study.runs
        if run.name != study.reference
    ]
