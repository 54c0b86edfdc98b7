"""Evidence: the numbers behind a verdict in one sentence, and the verdict in words."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from dnnx.basics.counts import many
from dnnx.reports import forecasts, images
from dnnx.reports.answers import Enough
from dnnx.reports.comparison import Comparison, compare, in_pairs
from dnnx.reports.facts import show_fixed
from dnnx.reports.format import decimals, number, show, show_p, span, suffix
from dnnx.reports.goals import is_of_epochs
from dnnx.reports.levels import Level
from dnnx.reports.measures import RACES, describe, epoch_seconds, reach, reference_targets, values
from dnnx.reports.questions import ONCE, ONE_CLOCK, Question
from dnnx.reports.scales import Scale, scale_of
from dnnx.reports.statistics import Estimate, log_ratio
from dnnx.runs.about import About

MEDIAN = "median "  # the middle of values of which some are not finite


def in_words(answer: str, is_small: bool, scale: Scale) -> str:
    """Return an answer with its margin.

    >>> in_words("same", False, Scale(words="0.1 points")), in_words("yes", True, Scale(words="10 %"))
    ('the same within 0.1 points', 'yes, by less than 10 %')
    """
    if answer == "same":
        return f"the same within {scale.words}"
    return f"{answer}, by less than {scale.words}" if is_small else answer


def evidence(question: Question, found: Comparison, level: Level, enough: Enough | None = None) -> str:
    """Return both arms' means, their difference with its interval, the test, and all that limits them.

    `enough` are the seeds that would decide an open question.
    """
    for run, metric, measured in zip(
        (question.arm, question.than), (question.metric, question.than_metric), question.values, strict=True
    ):
        if measured.dropna().empty:
            return f"{describe(metric, [run]).words} was not measured in {run.name}."
    if question.untested == ONE_CLOCK:
        return f"{_of_seconds(question, level.earlier)}; {ONE_CLOCK}."
    parts = [_means(question, found)]
    if question.untested == ONCE or question.is_fact:
        return f"{parts[0].removeprefix(middles(question, found)[0])}; {question.untested}."
    if question.untested:
        return f"{parts[0]}; {question.untested}."
    parts[0] += _test(question, found, level)
    parts += [*_of_looks(level, enough is not None), *_of_images(question, level), *_caveats(question, found)]
    if enough is not None and enough.words:
        parts.append(enough.words)
    return f"{'; '.join(parts)}."


def middles(question: Question, found: Comparison) -> tuple[str, str, str]:
    """Return which middle of the compared seeds is shown, such as "mean ", and that of both arms with its unit.

    Both have the decimals of their difference `found`. The word is "" where one of them is "diverged" or "never".
    """
    a, b = (series.dropna() for series in question.values)
    a, b = in_pairs(a, b, question.scale) or (a, b)
    word = "geometric mean " if question.scale.ratio else "mean "
    word = word if question.is_fact or np.isfinite([*a, *b]).all() else MEDIAN
    middle = [_middle(values, word) for values in (a, b)]
    other = describe(question.than_metric, [question.than, question.arm])
    half = np.nan if question.scale.ratio else (found.high - found.low) / 2
    shown: Callable[[float, About], str] = show_fixed if question.is_fact else partial(_shown, half=half)
    ours, theirs = (shown(x, about) for x, about in zip(middle, (question.about, other), strict=True))
    word = word if np.isfinite(middle).all() else ""
    if question.metric in RACES or is_of_epochs(question.metric):
        return word, ours, theirs
    return word, ours.replace("never", "diverged"), theirs.replace("never", "diverged")


def _shown(value: float, about: About, half: float) -> str:
    """Return a value with its unit, with the decimals of a difference whose interval has this half width."""
    places = decimals(half, about)
    if places is None or not np.isfinite(half) or not np.isfinite(value):
        return show(value, about)
    return f"{about.scale * value:,.{places}f}{suffix(about)}"


def _means(question: Question, found: Comparison) -> str:
    about, other = question.about, describe(question.than_metric, [question.than, question.arm])
    word, ours, theirs = middles(question, found)
    against = "" if question.than_metric == question.metric else f"{other.words} "
    arm, than = f"({question.arm.name})", f"({question.than.name})"
    colon = ":" if about.words[-1:].isdigit() else ""  # "below 0.3: 2 (bn)"
    return f"{word}{about.words}{colon} {ours} {arm} against {against}{theirs} {than}"


def _middle(values: pd.Series, word: str) -> float:
    if word == MEDIAN:
        return float(np.median(values))
    return float(np.exp(np.log(values).mean()) if word.startswith("geometric") else values.mean())


def _test(question: Question, found: Comparison, level: Level) -> str:
    if not found.tested:
        num = min(len(x.dropna()) for x in question.values)
        is_of_folds = question.scale.overlap and num > 1
        why = "exact tests do not know that folds share rows" if is_of_folds else "one seed shows no spread"
        return f"; n = {num}, and {why}"
    wide = "95 % interval" if level.claims < 2 else f"simultaneous 95 % interval of {level.claims} verdicts"
    wide += f" at {level.looks} looks" if level.looks > 1 else " that holds at any time" if level.earlier else ""
    if np.isnan(found.low):
        higher, lower, equal = found.counts
        spread = f"higher in {higher}, lower in {lower}, equal in {equal} seeds" if found.paired else ""
    else:
        spread = difference(found, question.scale, question.about, f"{wide} ")
    is_linked = not np.isnan(found.correlation) and found.sd > 0
    linked = f"correlation over the seeds {found.correlation:.2f}" if is_linked else ""
    sizes = " and ".join(str(x.notna().sum()) for x in question.values)
    name = "adjusted " if level.looks > 1 else "Bonferroni-adjusted " if level.claims > 1 else ""
    adjusted = f"{name}{show_p(level.adjusted(found.p))}"
    facts = (spread, found.test, linked, f"n = {many(found.n, 'seed') if found.paired else f'{sizes} seeds'}", adjusted)
    return "".join(f", {fact}" for fact in facts if fact)


def _of_looks(level: Level, is_open: bool) -> list[str]:
    """Return at which look a claim was decided, or that seeds were added by hand."""
    if level.look:
        return [f"{'open after' if is_open else 'decided at'} look {level.look} of {level.looks}"]
    told = "results had been seen before the last seeds were added, so its level is that of any number of looks"
    return [told] if level.earlier else []


def difference(found: Comparison, scale: Scale, about: About, wide: str = "") -> str:
    """Return the difference, or the ratio, with its interval, which `wide` names."""
    if scale.ratio:
        gap, low, high = _ratios(found.gap, found.low, found.high)
        told = f"{gap} times"
    else:
        gap, low, high = span(found.gap, found.low, found.high, about, signed=True)
        told = f"difference {gap}{suffix(about, difference=True)}"
    if np.isinf(found.low) and np.isinf(found.high):
        seen = "; as seeds were added after results had been seen, it takes more" if found.anytime else ""
        return f"{told} (too few seeds for an interval{seen})"
    if np.isposinf(found.high):
        return f"{told} ({wide}{low} or higher)"
    return f"{told} ({wide}{high} or lower)" if np.isneginf(found.low) else f"{told} ({wide}{low} to {high})"


def _of_images(question: Question, level: Level) -> list[str]:
    """Return the interval over seeds and examples, and both ensembles example by example, if predictions are stored."""
    if question.metric == question.than_metric == forecasts.METRIC:
        return _of_windows(question, level)
    if question.metric != images.METRIC or question.than_metric != images.METRIC:
        return []
    told = []
    values = images.difference(question.arm, question.than)
    ends = images.interval(values, 1 - level.alpha) if values is not None else (np.nan, np.nan)
    if not np.isnan(ends[0]):
        ends = max(ends[0], -1.0), min(ends[1], 1.0)
        _, low, high = span(sum(ends) / 2, *ends, question.about, signed=True)
        told.append(f"over seeds and {question.arm.items} {low} to {high}{_kind(level)}")
    if (joint := images.ensembles(question.arm, question.than)) is not None:
        seen = many(joint.only_arm, question.arm.items.removesuffix("s"))
        told.append(
            f"of these ensembles, only {question.arm.name} is right on {seen} and only "
            f"{question.than.name} on {joint.only_than}, exact McNemar test, {show_p(joint.p)}: about these networks, "
            "not about other seeds"
        )
    return told


def _kind(level: Level) -> str:
    """Return what an interval over seeds and examples keeps, in parentheses; "" for a plain one."""
    kinds = ["simultaneous"] * (level.claims > 1) + ["as if no seeds had been added by hand"] * bool(level.earlier)
    return f" ({', '.join(kinds)})" if kinds else ""


def _of_windows(question: Question, level: Level) -> list[str]:
    found = forecasts.interval(question.arm, question.than, 1 - level.alpha)
    if found is None:
        return []
    _, low, high = span((found[0] + found[1]) / 2, *found[:2], question.about, signed=True)
    return [f"over seeds and test examples {low} to {high}{_kind(level)}, by blocks of {found[2]} neighbours"]


def _of_seconds(question: Question, earlier: int) -> str:
    """Return the ratio of epochs times that of seconds per epoch, each with its 95 % interval."""
    arm, than = question.arm, question.than
    epochs = values("convergence/epochs", arm, than)
    found = compare(*epochs, scale_of("convergence/epochs", About(), epochs), earlier=earlier)
    if np.isnan(found.low):
        return f"{arm.name} or {than.name} does not reach the validation loss of both in every seed"
    steps = log_ratio(epoch_seconds(arm), epoch_seconds(than))
    told = f"{arm.name} needs {_times(Estimate(found.n, found.gap, found.low, found.high))} the epochs of {than.name}"
    if not steps.n:
        return told
    total = number(float(np.exp(found.gap + steps.mean)))
    each = f"each in {_times(steps)} its seconds (on a machine that arms may share)"
    return f"{told}, {each}: {total} times the seconds in all"


def _times(e: Estimate) -> str:
    ratio, low, high = _ratios(e.mean, e.low, e.high)
    return f"{ratio} times (95 % interval {low} to {high})"


def _ratios(mean: float, low: float, high: float) -> tuple[str, str, str]:
    """Return the ratios of a mean logarithm and of the ends of its interval as text."""
    return span(float(np.exp(mean)), float(np.exp(low)), float(np.exp(high)))


def _caveats(question: Question, found: Comparison) -> list[str]:
    metric, arm, than = question.metric, question.arm, question.than
    told = []
    if set(arm.seeds) != set(than.seeds):
        told.append(
            f"paired on the {found.n + found.lost} seeds that both arms have" if found.paired
            else "the arms have unequal seeds, so the comparison is unpaired"
        )  # fmt: skip
    worst = "count as worst" if question.about.sign else "are left out"
    worst = f"{worst} where the other arm has a number" if found.lost else worst
    gone = [] if metric == "diverged/share" else [run for run in (arm, than) if run.diverged]
    told += [f"{len(r.diverged)} of {len(r.seeds)} seeds of {r.name} diverged and {worst}" for r in gone]
    if found.lost:
        told.append(
            f"{many(found.lost, 'seed')} without one in both arms {'is' if found.lost == 1 else 'are'} left out"
        )
    if metric in RACES:
        reached: pd.Series = reach(arm, reference_targets(arm, than), metric)
        told.append(
            f"{arm.name} reaches the best loss of {than.name} in {np.isfinite(reached).sum()} of {len(reached)} seeds"
        )
    return told
