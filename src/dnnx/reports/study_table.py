"""The end of a study on the console: one table of arms x metrics, and the answers in words."""

from collections.abc import Sequence

import numpy as np
from rich.table import Table
from rich.text import Text

from dnnx.reports.findings import estimate_of
from dnnx.reports.format import bare, label, show
from dnnx.reports.saying import say, say_count
from dnnx.reports.verdicts import Verdict
from dnnx.runs.about import split_of
from dnnx.runs.run import Run, Study

COLOURS = {"yes": "green", "no": "red", "same": "blue", "undecided": "yellow"}
OTHERS = ("val/loss", "epoch/best", "time/epoch_s")  # after the main metric and the ensemble


def study_table(study: Study) -> Table:
    """Return mean and 95 % t interval of the main metric of each arm, and the means of a few others."""
    main = study.main
    ensemble = f"ensemble/{split_of(main)[1]}"
    others = [name for name in (ensemble, *OTHERS) if any(np.isfinite(run.one(name)) for run in study.runs)]
    counts = sorted({len(run.seeds) for run in study.runs})
    seeds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    table = Table(title=f"{study.name}: means over {seeds} seeds", title_justify="left")
    table.add_column("arm", overflow="fold")
    table.add_column(f"{label(main, study.about(main))} (95 % interval)")
    for name in others:
        table.add_column(_head(study, name, ensemble), justify="right")
    for run in study.runs:
        table.add_row(run.name, _main(run, main), *(_mean(run, name) for name in others))
    return table


def answers_in_words(verdicts: Sequence[Verdict]) -> list[Text]:
    """Return a line for each verdict, its first word in colour, and how many are decided."""
    lines = []
    for verdict in verdicts:
        line = Text(say(verdict))
        line.stylize(f"bold {COLOURS.get(verdict.answer, 'default')}", 0, len(verdict.words))
        lines.append(line)
    count = say_count([*verdicts])
    return [*lines, *([Text(count)] if count else [])]


def _head(study: Study, name: str, ensemble: str) -> str:
    if name == ensemble:
        return "ensemble"
    return {"epoch/best": "best epoch", "time/epoch_s": "s per epoch"}.get(name, label(name, study.about(name)))


def _main(run: Run, metric: str) -> str:
    e, about = estimate_of(run, metric), run.about(metric)
    lost = f", {len(run.diverged)} of {len(run.seeds)} diverged" if run.diverged else ""
    if e.n < 2:
        return f"{bare(e.mean, about) if e.n else 'not measured'}{lost}"
    return f"{bare(e.mean, about)} ({bare(e.low, about)} to {bare(e.high, about)}){lost}"


def _mean(run: Run, metric: str) -> str:
    about = run.about(metric)
    mean = run.one(metric) if metric.startswith("ensemble/") else estimate_of(run, metric).mean
    return show(mean, about).removesuffix(" %") if np.isfinite(mean) else ""
