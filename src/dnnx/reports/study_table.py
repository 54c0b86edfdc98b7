"""The end of a study on the console: one table of arms x metrics, and the answers in words."""

from collections.abc import Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from dnnx.basics.counts import many
from dnnx.reports.facts import is_fixed, show_fixed
from dnnx.reports.findings import estimate_of
from dnnx.reports.format import bare, is_equal, label, span, suffix, whole
from dnnx.reports.saying import say, say_count, say_looked
from dnnx.reports.scales import geometric
from dnnx.reports.verdicts import Verdict
from dnnx.runs.about import split_of
from dnnx.runs.run import Run, Study

COLOURS = {"yes": "green", "no": "red", "same": "blue", "undecided": "yellow"}
OTHERS = ("val/loss", "epoch/best")  # after the main metric and the ensemble


def study_table(study: Study) -> Table:
    """Return mean and 95 % t interval of the main metric of each arm, and the means of a few others."""
    main = study.main
    ensemble = f"ensemble/{split_of(main)[1]}"
    others = [name for name in (ensemble, *OTHERS) if any(np.isfinite(run.one(name)) for run in study.runs)]
    counts = sorted({len(run.seeds) for run in study.runs})
    seeds = f"{counts[0]} to {counts[-1]} seeds" if len(counts) > 1 else many(counts[0], "seed")
    table = Table(
        title=f"{study.name}: means over {seeds}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False,
        caption=geometric([main, *others]) or None, caption_justify="left",
    )  # fmt: skip
    table.add_column("arm", no_wrap=True)
    table.add_column(label(main, study.about(main)), justify="right", min_width=9)
    table.add_column("95 % interval", no_wrap=True)
    for name in others:
        table.add_column(_head(study, name, ensemble), justify="right", min_width=8)
    if is_any_lost := any(run.diverged for run in study.runs):
        table.add_column("diverged", justify="right", min_width=8)
    for run in study.runs:
        lost = [f"{len(run.diverged)} of {len(run.seeds)}"] if is_any_lost else []
        table.add_row(run.name, *_main(run, main), *(_mean(run, name) for name in others), *lost)
    return table


def answers_in_words(verdicts: Sequence[Verdict]) -> list[Text]:
    """Return a line for each verdict, its first word in colour, and how many are decided."""
    lines = []
    for verdict in verdicts:
        line = Text(say(verdict))
        line.stylize(f"bold {COLOURS.get(verdict.answer, 'default')}", 0, len(verdict.words))
        lines.append(line)
    count = say_count([*verdicts])
    more = [text for text in (count, say_looked([*verdicts])) if text]
    return [*lines, *map(Text, more)]


def _head(study: Study, name: str, ensemble: str) -> str:
    if name == ensemble:
        return "ensemble"
    return {"epoch/best": "best epoch"}.get(name, label(name, study.about(name)))


def _main(run: Run, metric: str) -> tuple[str, str]:
    """Return the mean of an arm and its interval."""
    e, about = estimate_of(run, metric), run.about(metric)
    if e.n < 2:
        return bare(e.mean, about) if e.n else "", ""
    if is_fixed(run, run.values(metric)):
        return bare(e.mean, about), "not random"
    if is_equal(e):
        return bare(e.mean, about), "the same in all"
    mean, low, high = span(e.mean, e.low, e.high, about)
    return mean, f"{low} to {high}"


def _mean(run: Run, metric: str) -> str:
    """Return the mean of a metric without its unit, with the digits that the report shows."""
    about = run.about(metric)
    if metric.startswith("ensemble/"):
        joint = run.one(metric)
        return bare(joint, about) if np.isfinite(joint) else ""
    e = estimate_of(run, metric)
    if not np.isfinite(e.mean):
        return ""
    if is_fixed(run, run.values(metric)):
        return show_fixed(e.mean, about).removesuffix(suffix(about))
    if e.n < 2 or is_equal(e):
        return whole(e.mean, about).removesuffix(suffix(about))
    return span(e.mean, e.low, e.high, about)[0]
