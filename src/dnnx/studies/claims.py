"""Claims of a study in one line each, and the verdicts that they ask for.

    study:
      baseline: relu
      claims:
        convergence/epochs: [elu < relu, selu < relu]
        test/accuracy:
          - elu > relu
          - {claim: selu > relu, ask: "Is SELU more accurate than ReLU?", same: 0.5}
        mc/accuracy: [dropout > test/accuracy of dropout]   # another metric on the right

`same` is the margin below which two arms count as the same: points for shares, epochs, percent for races and losses,
else the unit of the metric.

The order of the claims is that of the report; where one metric comes twice, `claims` is a list of such mappings.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from dnnx.basics.errors import UserError, choose, is_number, near_misses, require, shown
from dnnx.runs.about import SHARES, about, is_log_loss
from dnnx.runs.schema import VERDICT

EXAMPLE = "a claim such as '{} > {}', or '{} < test/ece of {}' where the metrics differ"
EXPECT = {"<": "lower", ">": "higher"}
FORM = re.compile(r"\s*(\S+)\s*([<>])\s*(?:(\S+)\s+of\s+)?(\S+)\s*")
QUESTIONS = {
    ("convergence/epochs", "lower"): "Does {} converge in fewer epochs than {}?",
    ("convergence/epochs", "higher"): "Does {} need more epochs than {} to converge?",
    ("convergence/seconds", "lower"): "Does {} converge in less time than {}?",
    ("convergence/seconds", "higher"): "Does {} need more time than {} to converge?",
    ("test/accuracy", "higher"): "Is {} more accurate than {}?",
    ("test/accuracy", "lower"): "Is {} less accurate than {}?",
    ("dead/share", "lower"): "Has {} fewer dead units than {}?",
    ("dead/share", "higher"): "Has {} more dead units than {}?",
}


def declared_verdicts(study: Any) -> list[dict[str, Any]]:
    """Return the verdicts of a study's config: its claims, then its `verdicts`. Raise UserError for an invalid one."""
    plain: Any = OmegaConf.to_container(study, resolve=True) if OmegaConf.is_config(study) else study
    claims = _claims(plain.get("claims"), plain["arms"])
    claimed = [_verdict(metric, claim, plain["arms"]) for metric, claim in claims]
    for verdict in plain["verdicts"]:
        _check(verdict, plain["arms"])
    return [*claimed, *plain["verdicts"]]


def baseline(study: Any) -> str | None:
    """Return the arm that others are compared with: `baseline`, or `reference`, its older name."""
    given = [key for key in ("baseline", "reference") if study.get(key) is not None]
    for key in given:
        if study["arms"]:
            choose(f"study.{key}", study[key], dict.fromkeys(study["arms"]))
    names = [study[key] for key in given]
    told = f"study.baseline is {names[:1]}; type study.baseline={study['reference']} instead"
    require(len(set(names)) < 2, "study.reference", study["reference"], told)
    return names[0] if names else None


def _claims(claims: Any, arms: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (metric, claim) in their order."""
    if claims is None:
        return
    groups = claims if isinstance(claims, Sequence) and not isinstance(claims, str) else [claims]
    for group in groups:
        if isinstance(group, str):  # "test/accuracy: bn > plain", as typed in Python
            metric, colon, text = group.partition(":")
            one, other = _two_of(arms, group)
            told = f"it names no metric; write it and two arms with > or <, such as 'test/accuracy: {one} > {other}'"
            require(bool(colon), "study.claims", group, told)
            group = {metric.strip(): text}
        valid = isinstance(group, Mapping)
        require(valid, "study.claims", shown(group), "a mapping such as {test/accuracy: [bn > plain]}")
        for metric, lines in group.items():
            for line in lines if isinstance(lines, list) else [lines]:
                yield str(metric), line


def _verdict(metric: str, claim: Any, arms: Mapping[str, Any]) -> dict[str, Any]:
    key = f"study.claims.{metric}"
    line, ask, margin = claim, None, {}
    if isinstance(claim, Mapping):
        valid = {"claim"} <= set(claim) <= {"claim", "ask", "same"}
        require(valid, key, sorted(map(str, claim)), "a written-out claim has the keys claim, ask and same")
        line, ask = claim["claim"], claim.get("ask")
        margin = {"same": claim["same"]} if claim.get("same") is not None else {}
        _check_margin(f"{key}.same", metric, margin)
    match = FORM.fullmatch(line) if isinstance(line, str) else None
    if match is None:
        raise UserError(f"{key}={shown(line)}: {EXAMPLE.format(*_two_of(arms, str(line)) * 2)}")
    arm, sign, than_metric, than = match.groups()
    for name in (arm, than):
        if name not in arms:
            told = f"{name} is none of the arms {', '.join(arms)}{near_misses(name, arms)}"
            raise UserError(f"{key}={line}: {told}")
    expect = EXPECT[sign]
    other = {"than_metric": than_metric} if than_metric not in (None, metric) else {}
    told = "it compares an arm with itself; name two, such as '{} > {}'".format(*_two_of(arms, ""))
    require(arm != than or bool(other), key, line, told)
    asked = ask if ask is not None else _question(metric, arm, expect, other.get("than_metric"), than)
    return {"ask": str(asked), "metric": metric, "arm": arm, "than": than, "expect": expect} | other | margin


def _two_of(arms: Mapping[str, Any], text: str) -> tuple[str, str]:
    """Return two arms for an example: those that a wrong claim names, or others.

    >>> _two_of({"plain": [], "wide": [], "bn": []}, "bn better than plain")
    ('bn', 'plain')
    """
    named = [word for word in text.split() if word in arms]
    one, other, *_ = [*dict.fromkeys([*named, *arms, "bn", "plain"])]
    return str(one), str(other)


def _question(metric: str, arm: str, expect: str, than_metric: str | None, than: str) -> str:
    name = metric.replace("/", " ")
    if than_metric:
        return f"Is the {name} of {arm} {expect} than the {than_metric.replace('/', ' ')} of {than}?"
    return QUESTIONS.get((metric, expect), f"Is the {name} of {{}} {expect} than that of {{}}?").format(arm, than)


def _check(verdict: Mapping[str, Any], arms: Mapping[str, Any]) -> None:
    given = set(verdict)
    told = f"each has just the keys {', '.join(sorted(VERDICT))}, and than_metric where that is another, and same"
    require(given - {"than_metric", "same"} == VERDICT, "study.verdicts", sorted(given), told)
    told = "it compares an arm with itself; name two arms"
    require(verdict["arm"] != verdict["than"] or "than_metric" in verdict, "study.verdicts.than", verdict["than"], told)
    for side in ("arm", "than"):
        choose(f"study.verdicts.{side}", verdict[side], dict.fromkeys(arms))
    choose("study.verdicts.expect", verdict["expect"], {"higher": None, "lower": None})
    _check_margin("study.verdicts.same", verdict["metric"], verdict)


def _check_margin(key: str, metric: str, declared: Mapping[str, Any]) -> None:
    """Raise UserError for a margin `same` that is no positive number, or larger than the scale of the metric."""
    same = declared.get("same", 1)
    is_share = about({}, metric).unit in SHARES or metric.endswith("/share") or metric.startswith("reached/")
    is_ratio = metric.startswith("convergence/") or is_log_loss(metric)
    unit = "points" if is_share else "percent" if is_ratio else f"the unit of {metric}"
    valid = is_number(same) and math.isfinite(same) and same > 0
    require(valid, key, shown(same), f"a margin is a number above 0, in {unit}, such as 0.1")
    require(same < 100 or unit not in ("points", "percent"), key, same, f"a margin is below 100 {unit}, such as 0.1")
