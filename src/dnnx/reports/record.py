"""The record of a study: its answers and the numbers of its arms in a small file that can be committed.

Pages are rendered from records, so no number in them is written by hand.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

import numpy as np

from dnnx.reports.evidence import difference, middles
from dnnx.reports.findings import cell, estimate_of
from dnnx.reports.format import show, show_estimate
from dnnx.reports.measures import OF_LAYERS
from dnnx.reports.saying import phrase, say
from dnnx.reports.sections.commands import command_of
from dnnx.reports.sections.head import date
from dnnx.reports.statistics import Estimate, estimate
from dnnx.reports.verdicts import Verdict
from dnnx.runs.run import Run, Study

FACTS = ("dnnx", "torch", "python", "threads")  # of the machine: none tells whose it is
OWN_KEYS = (
    "name",
    "arm",
    "study",
    "seeds",
    "paths",
    "resume",
    "shard",
    "jobs",
    "packages",
    "report",
)  # not of a network
DIGITS = 6
FOLDER = re.compile(r" (?:of|in) /[^,;:]+")  # in the note on data: it is of one machine


def record(study: Study, verdicts: list[Verdict]) -> dict[str, Any]:
    """Return the content of a study's result file, ready for JSON."""
    first = study.reference_first[0]
    claimed = [verdict.metric for verdict in verdicts if verdict.metric.startswith("test/")]
    seconds = np.nansum([run.fit_seconds() for run in study.runs])  # arms that were one network have none
    return {
        "study": study.name,
        "question": study.question,
        "command": command_of(first),
        "commit": str(first.environment.get("git_commit", "")),
        "date": date(study)[:10],
        "minutes": _rounded(seconds / 60),
        "machine": {key: first.environment[key] for key in FACTS if key in first.environment},
        "data": of_data(first),
        "arms": {run.name: of_arm(run, study, claimed) for run in study.runs},
        "claims": [of_claim(verdict) for verdict in verdicts],
    }


def of_data(run: Run) -> dict[str, Any]:
    """Return the facts about a run's data, without the folder of its files."""
    facts: dict[str, Any] = {key: run.data[key] for key in ("source", "note", "sizes", "files") if key in run.data}
    return facts | ({"note": FOLDER.sub("", facts["note"])} if "note" in facts else {})


def of_arm(run: Run, study: Study, claimed: Sequence[str] = ()) -> dict[str, Any]:
    """Return the numbers of an arm, those of `claimed` metrics among them: each with mean, interval, n and text."""
    constant = [name for name in run.results if name.startswith("test/majority_")]  # what a constant answer reaches
    names = [study.main, *claimed, *constant, "test/loss", "val/loss", "epoch/best", "sparsity"]
    has_numbers = len(run.diverged) < len(run.seeds)
    metrics = {
        name: _number(estimate_of(run, name), cell(run, name)) | _range(run, name)
        for name in dict.fromkeys(names)
        if has_numbers and name in run.results
    }
    if np.isfinite(joint := run.one(ensemble := f"ensemble/{study.main.partition('/')[2]}")):
        metrics[ensemble] = {"mean": _rounded(joint), "n": 1, "text": show(joint, study.about(study.main))}
    for name, measure in OF_LAYERS.items():
        e = estimate(measure.of(run, ""), share=measure.about.unit == "%")
        metrics |= {name: _number(e, show_estimate(e, measure.about))} if e.n else {}
    if run.lr_search is not None:  # it found one rate for all seeds
        rate = run.setting("optimizer.lr")
        metrics["optimizer.lr"] = {"mean": rate, "n": 1, "text": f"{rate:g}"}
    return {
        "seeds": " ".join(map(str, run.seeds)),
        "diverged": len(run.diverged),
        "config": fingerprint(run.config),
        "metrics": metrics,
    }


def of_claim(verdict: Verdict) -> dict[str, Any]:
    """Return a claim with its answer, its numbers and its texts."""
    found, question = verdict.comparison, verdict.question
    middle, ours, theirs = middles(question, found) if question.is_measured else ("", "", "")
    is_answered = verdict.answer not in ("not tested", "not measured")  # else an interval would read like an answer
    has_interval = is_answered and found.tested and not np.isnan(found.low)
    return {
        "ask": verdict.ask,
        "metric": verdict.metric,
        "arm": verdict.arm,
        "than": verdict.than,
        "answer": verdict.answer,
        "fact": verdict.is_fact,
        "words": verdict.words,
        "phrase": phrase(verdict),
        "says": say(verdict),
        "enough": asdict(verdict.enough) if verdict.answer == "undecided" else None,
        "middle": middle.strip(),
        "ours": ours,
        "theirs": theirs,
        "difference": difference(found, question.scale, question.about) if has_interval else "",
        "n": found.n,
        "p": _rounded(verdict.p),
        "gap": _rounded(found.gap),
        "interval": [_rounded(found.low), _rounded(found.high)] if is_answered else [None, None],
        "test": found.test if is_answered else "",
    }


def fingerprint(config: Mapping[str, Any]) -> str:
    """Return a short hash of a run's settings, without its name, seeds and folders.

    Two arms with the same settings have the same one, so their numbers must be equal too.
    """
    own = {key: value for key, value in config.items() if key not in OWN_KEYS}
    return sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _number(e: Estimate, text: str) -> dict[str, Any]:
    ends = {"low": _rounded(e.low), "high": _rounded(e.high)} if e.n > 1 else {}
    return {"mean": _rounded(e.mean), **ends, "n": e.n, "text": text.replace("\u00a0", " ")}


def _range(run: Run, metric: str) -> dict[str, Any]:
    """Return the lowest and the highest value of the seeds, in which a published number may lie."""
    values = run.values(metric).dropna()
    return {"range": [_rounded(values.min()), _rounded(values.max())]} if len(values) else {}


def _rounded(x: float) -> float | None:
    """Return six digits of a number; None for one that is not finite, which JSON cannot hold."""
    return float(f"{x:.{DIGITS}g}") if np.isfinite(x) else None
