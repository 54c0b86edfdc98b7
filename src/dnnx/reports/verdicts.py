"""Verdicts: from the runs of a study and its declared claims to answers, with one interval each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from dnnx.basics.errors import near_misses
from dnnx.reports.answers import Enough, answer, enough_seeds
from dnnx.reports.comparison import Comparison, compare
from dnnx.reports.evidence import evidence, in_words
from dnnx.reports.facts import answer_of, difference_of
from dnnx.reports.goals import parse_goal
from dnnx.reports.levels import ALPHA, Level, nominal_levels
from dnnx.reports.measures import DERIVED, RACES
from dnnx.reports.pooling import Pool, pool_arms
from dnnx.reports.questions import Question, ask, why_untested
from dnnx.runs.about import NOT_METRICS
from dnnx.runs.looks import Looks
from dnnx.runs.run import Study

CLAIMED_LATER = "Claimed after results had been seen, so test it in a new study of other seeds."


@dataclass(frozen=True)
class Verdict:
    """An answer to one claim: yes, no, same, undecided, not tested or not measured; `words` say it with its margin, or
    that it is a fact.

    `comparison` has the interval at the level that all verdicts together keep, `p` is adjusted to
    that too. `level` says for how many claims and looks.
    """

    question: Question
    answer: str
    words: str
    comparison: Comparison
    p: float
    evidence: str
    level: Level
    enough: Enough = field(default_factory=Enough)  # seeds that would decide, where it is undecided

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
    def is_fact(self) -> bool:
        return self.question.is_fact

    @property
    def sentence(self) -> str:
        return f"{self.ask} {self.words.capitalize()}: {self.evidence}"


def decide(study: Study) -> tuple[list[Verdict], list[str]]:
    """Return the declared verdicts, or the main metric against the reference; and a line for each without its arm.

    All intervals hold together with a chance of 1 - ALPHA (Bonferroni), so all answers do. In a study that goes on
    until it is decided they hold at all looks too, and each answer is that of the look which gave it.
    """
    lost, specs = [], []
    for spec in study.verdicts or _usual(study):
        if study.run(spec["arm"]) and study.run(spec["than"]):
            specs.append(spec)
        else:
            lost.append(f"no answer to '{spec['ask']}': it needs the arms {spec['arm']} and {spec['than']}")
    if study.looks is not None:
        verdicts, more = decide_at_looks(study, study.looks, specs)
        return verdicts, [*lost, *more]
    questions = _ask(study, specs)
    family = sum(question.is_tested and compare(*question.values, question.scale).tested for question in questions)
    level = Level(ALPHA / max(family, 1), ALPHA, family)
    return _verdicts(questions, level), lost


def decide_at_looks(study: Study, looks: Looks, specs: Sequence[Mapping[str, Any]]) -> tuple[list[Verdict], list[str]]:
    """Return the verdicts of a study with planned looks, and lines on what they leave out.

    A claim that a look decides is settled. Later seeds of its arms count for other claims only.
    """
    untested = {i for i, spec in enumerate(specs) if why_untested(spec)}
    claims = len(specs) - len(untested)
    planned = Level(looks=len(looks.planned))
    found = dict(zip(untested, _verdicts(_ask(study, [specs[i] for i in untested]), planned), strict=True))
    levels = nominal_levels(looks.planned, ALPHA / max(claims, 1))
    for place, look in enumerate(looks.taken):
        at, level = study.at(look), Level(levels[place], ALPHA, claims, place + 1, len(levels))
        still = [i for i in range(len(specs)) if i not in found or found[i].answer in ("undecided", "not measured")]
        still = [i for i in still if at.run(specs[i]["arm"]) and at.run(specs[i]["than"])]
        found |= dict(zip(still, _verdicts(_ask(at, [specs[i] for i in still]), level), strict=True))
    none = f"the first look, at {looks.planned[0]} seeds, was not taken"
    lost = [f"no answer to '{spec['ask']}': {none}" for i, spec in enumerate(specs) if i not in found]
    return [found[i] for i in sorted(found)], [*lost, *_unseen(study, looks)]


def _unseen(study: Study, looks: Looks) -> list[str]:
    """Return a line for each arm with seeds that no look has seen."""
    lines = []
    for run in study.runs if looks.taken else ():
        seen = {seed for look in looks.taken if run.name in look.arms for seed in look.seeds}
        if more := sorted(set(run.seeds) - seen):
            lines.append(f"{run.name}: no look has seen the seeds {', '.join(map(str, more))}; no answer counts them")
    return lines


def _ask(study: Study, specs: Sequence[Mapping[str, Any]]) -> list[Question]:
    """Return the question of each claim, whose arms are there."""
    pairs = [(study.run(spec["arm"]), study.run(spec["than"])) for spec in specs]
    return [ask(spec, arm, than) for spec, (arm, than) in zip(specs, pairs, strict=True) if arm and than]


def _verdicts(questions: Sequence[Question], level: Level) -> list[Verdict]:
    pools = _pools(questions)
    return [_told_if_later(_verdict(question, level, pools)) for question in questions]


def _told_if_later(verdict: Verdict) -> Verdict:
    is_later = verdict.question.spec.get("later")
    return replace(verdict, evidence=f"{verdict.evidence} {CLAIMED_LATER}") if is_later else verdict


def unmeasured(study: Study) -> list[str]:
    """Return a line for each metric of a declared claim that no run has, with near misses."""
    known = [*DERIVED, *dict.fromkeys(name for run in study.runs for name in run.results if name not in NOT_METRICS)]
    asked = [name for spec in study.verdicts for name in (spec["metric"], spec.get("than_metric", spec["metric"]))]
    asked = [name for name in asked if name != "val/loss" and not parse_goal(name)]  # a sweep asks for val/loss itself
    lost = [name for name in dict.fromkeys(asked) if name not in known and any(run.results for run in study.runs)]
    return [f"study.claims.{name}: no run measured it{near_misses(name, known)}" for name in lost]


def _verdict(question: Question, level: Level, pools: Mapping[str, Mapping[str, Pool]]) -> Verdict:
    if question.is_fact:
        return _fact(question, level)
    if not level.looks:  # seeds of planned looks are not added by hand
        level = replace(level, earlier=max(len(run.earlier) for run in (question.arm, question.than)))
    found = compare(*question.values, question.scale, level.alpha, _pool_of(question, pools), level.earlier)
    if not question.is_tested:
        told = evidence(question, found, level)
        return Verdict(question, "not tested", "not tested", found, float("nan"), told, level)
    if not question.is_measured:
        told = evidence(question, found, level)
        return Verdict(question, "not measured", "not measured", found, float("nan"), told, level)
    given, is_small = answer(found, question.spec["expect"], level.alpha, question.scale.margin)
    words = in_words(given, is_small, question.scale)
    enough = enough_seeds(found, level, question.scale.margin) if given == "undecided" else None
    told = evidence(question, found, level, enough)
    p = level.adjusted(found.p) if found.tested else found.p
    return Verdict(question, given, words, found, p, told, level, enough or Enough())


def _fact(question: Question, level: Level) -> Verdict:
    """Return the answer to a claim in which nothing is random."""
    found = difference_of(*question.values, question.scale)
    given = answer_of(found, question.spec["expect"])
    words = f"{'the same' if given == 'same' else given}, a fact"
    return Verdict(question, given, words, found, float("nan"), evidence(question, found, level), level)


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
