"""Answers as a person would say them: one sentence for a verdict, one for a single run."""

from collections import Counter
from collections.abc import Sequence

from dnnx.basics.counts import many
from dnnx.reports.evidence import MEDIAN, difference, middles
from dnnx.reports.format import show
from dnnx.reports.measures import describe
from dnnx.reports.verdicts import Verdict
from dnnx.runs.about import split_of
from dnnx.runs.run import Run, Study

PHRASES = {  # of a metric: the arm a is higher than the arm b, and lower
    "test/accuracy": ("{a} is more accurate than {b}", "{a} is less accurate than {b}"),
    "convergence/epochs": ("{a} needs more epochs than {b} to converge", "{a} converges in fewer epochs than {b}"),
    "diverged/share": ("more seeds of {a} diverge than of {b}", "fewer seeds of {a} diverge than of {b}"),
    "dead/share": ("{a} has more dead units than {b}", "{a} has fewer dead units than {b}"),
}
WORDS = {1: "higher", -1: "lower"}
MIN_CUT_OFF = 0.1  # share of an arm's seeds
LOOKED = (
    "Results had been seen before the last seeds were added, outside a plan. Looking twice makes false answers more "
    "likely, so the intervals are wider than before, and an answer that was yes or no can become undecided. To decide, "
    "add more seeds (resume=... seeds=20), or start a new study with study.until=decided, which plans its looks "
    "beforehand: its own report, and compare of its folder alone, answer by that plan."
)


def say(verdict: Verdict) -> str:
    """Return a verdict in one sentence: the answer, both numbers, the difference with its interval, and n.

    Such as "Yes: bn is more accurate than plain, 98.02 % against 97.00 %, difference +1.02 points (+0.95 to +1.09),
    n = 5 seeds."
    """
    found, question = verdict.comparison, verdict.question
    if not question.is_measured:
        return f"Not measured: {verdict.evidence}"
    if verdict.answer == "not tested":
        return f"Not tested: {verdict.evidence}"
    word, ours, theirs = middles(question, found)
    numbers = f"{'medians ' if word == MEDIAN else ''}{ours} against {theirs}"
    if verdict.is_fact:
        return f"{_start(verdict)}, {numbers}; nothing is random here."
    if found.low == found.low:  # no nan
        numbers += f", {difference(found, question.scale, question.about)}"
    level = verdict.level
    numbers += f", n = {many(found.n, 'seed')}{f', look {level.look} of {level.looks}' if level.look else ''}"
    if verdict.answer == "undecided":
        margin = f", margin {question.scale.words}" if "same" in question.spec else ""
        enough = f"; {verdict.enough.words}" if verdict.enough.words else ""
        return f"Undecided whether {phrase(verdict)}: {numbers}{margin}{enough}."
    return f"{_start(verdict)}, {numbers}."


def _start(verdict: Verdict) -> str:
    """Return the answer and what it says of the arms, without numbers."""
    return f"{verdict.words.capitalize()}: {phrase(verdict)}"


def say_looked(verdicts: list[Verdict]) -> str:
    """Return why seeds that were added by hand can turn a yes into undecided, and what to type; else ""."""
    is_open = any(verdict.level.earlier and verdict.answer == "undecided" for verdict in verdicts)
    return LOOKED if is_open else ""


def say_count(verdicts: list[Verdict]) -> str:
    """Return how many of several questions are decided, and how many answers are facts; "" for fewer than three."""
    asked = [verdict for verdict in verdicts if verdict.answer not in ("not tested", "not measured")]
    if len(asked) < 3:
        return ""
    tested, facts = ([v for v in asked if v.is_fact is is_fact] for is_fact in (False, True))
    decided = len(tested) - sum(verdict.answer == "undecided" for verdict in tested)
    told = [f"{decided} of {len(tested)} questions are decided: {_counts(tested)}"] if tested else []
    told += [f"{many(len(facts), 'answer')} without a test, as nothing is random: {_counts(facts)}"] if facts else []
    return f"{'; '.join(told)}."


def _counts(verdicts: list[Verdict]) -> str:
    counts = Counter(verdict.answer for verdict in verdicts)
    names = [name for name in ("yes", "no", "same", "undecided") if counts[name]]
    return ", ".join(f"{counts[name]} {'the same' if name == 'same' else name}" for name in names)


def phrase(verdict: Verdict) -> str:
    """Return what was shown, or what was claimed where nothing is: "bn is more accurate than plain".

    Of two numbers that are the same it names the two: "test accuracy of bn and plain".
    """
    if verdict.answer == "same":
        return _both(verdict)
    expected = 1 if verdict.question.spec["expect"] == "higher" else -1
    return _phrase(verdict, -expected if verdict.answer == "no" else expected)


def _phrase(verdict: Verdict, sign: int) -> str:
    question = verdict.question
    if verdict.metric in PHRASES and question.than_metric == verdict.metric:
        return PHRASES[verdict.metric][sign < 0].format(a=verdict.arm, b=verdict.than)
    words, other = _metrics(verdict)
    than = verdict.than if other == words else f"the {other} of {verdict.than}"
    return f"the {words} of {verdict.arm} is {WORDS[sign]} than {f'that of {than}' if other == words else than}"


def _both(verdict: Verdict) -> str:
    words, other = _metrics(verdict)
    if words == other:
        return f"{words} of {verdict.arm} and {verdict.than}"
    return f"{words} of {verdict.arm} and {other} of {verdict.than}"


def _metrics(verdict: Verdict) -> tuple[str, str]:
    """Return the metrics of both arms in words."""
    question = verdict.question
    words = describe(verdict.metric, [question.arm, question.than]).words
    return words, describe(question.than_metric, [question.than]).words


def say_run(run: Run, main: str, told: str) -> str:
    """Return the result of a single run: its main metric, and that of its ensemble. `told` is the metric's estimate."""
    about = run.about(main)
    joint = run.one(f"ensemble/{split_of(main)[1]}")
    ensemble = (
        f" The ensemble of its {many(len(run.seeds), 'seed')} has {show(joint, about)}." if joint == joint else ""
    )
    return f"{run.name} has a {about.words or main.replace('/', ' ')} of {told}.{ensemble}"


def say_cut_off(runs: Sequence[Run]) -> str:
    """Return a sentence on the arms of which a tenth of the seeds or more are best in the last epoch allowed, or ""."""
    short = [run for run in runs if run.num_cut_off and run.num_cut_off >= MIN_CUT_OFF * len(run.seeds)]
    named = ", ".join(f"{run.name} ({run.num_cut_off} of {many(len(run.seeds), 'seed')})" for run in short)
    told = f"Still improving in the last epoch allowed: {named}. More trainer.max_epochs may change this."
    return told if short else ""


def say_few_examples(verdicts: Sequence[Verdict]) -> str:
    """Return a sentence if one example weighs more than the margin of a claim that is undecided, or "".

    Folds test all rows, so the examples of one fold are no limit.
    """
    for verdict in verdicts:
        question = verdict.question
        scale, run, about = question.scale, question.arm, question.about
        if verdict.answer != "undecided" or scale.ratio or not scale.resolution > scale.margin or scale.overlap:
            continue
        split = split_of(verdict.metric)[0]
        ways = ["data.folds=5 tests all rows"] if "folds" in (run.setting("data") or {}) else []
        ways += ["a claim on test/loss sees more than right or wrong"] if "test/loss" in run.results else []
        return (
            f"{round(1 / scale.resolution):,} {split} {run.items}: one of them is {about.scale * scale.resolution:.2g} "
            f"points, more than the margin of {scale.words}, so small differences stay undecided"
            f"{'; ' if ways else ''}{', and '.join(ways)}."
        )
    return ""


def say_lengths(study: Study) -> str:
    """Return a sentence on arms that trained longer than arms for which the study declares the same length; else "".

    An arm that was stopped early before that length has trained no longer.
    """
    longer: dict[str, int] = {}
    for declared in dict.fromkeys(study.epochs.values()):
        alike = [run for run in study.runs if study.epochs.get(run.name) == declared]
        lengths = {run.name: run.setting("trainer.max_epochs") for run in alike}
        allowed = {name: epochs for name, epochs in lengths.items() if type(epochs) is int}
        shortest = min(allowed.values(), default=0)
        longer |= {run.name: allowed[run.name] for run in alike if allowed.get(run.name, 0) > shortest < _last(run)}
    if not longer:
        return ""
    told = ", ".join(f"{name} up to {many(epochs, 'epoch')}" for name, epochs in longer.items())
    again = f"python -m dnnx.train resume=<the folder of the study> trainer.max_epochs={max(longer.values())}"
    return (
        f"Trained longer than the other arms: {told}. So arms differ by more than the settings that they declare, and "
        f"an answer about them may be one about the length of training. {again} trains all arms alike."
    )


def _last(run: Run) -> int:
    """Return the last epoch of any seed of a run."""
    return int(run.metrics["epoch"].max()) if len(run.metrics) else 0
