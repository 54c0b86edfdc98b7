"""The table that a command ends with: what a run folder says, mean and interval over its seeds."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from dnnx.reports.statistics import PERCENT, estimate

TESTED = (*PERCENT, "threshold", "loss")
ROWS = (*(f"test/{name}" for name in TESTED), "train/accuracy", "val/accuracy", "val/loss", "epoch/best")


def results_table(title: str, results: Mapping[str, list[Any]]) -> Table:
    """Mean, 95 % t interval, n and extremes of each metric; metrics that were not measured have no row."""
    table = Table(title=title, title_justify="left")
    for column in ("metric", "mean", "95 % interval", "n", "worst to best seed"):
        table.add_column(column, no_wrap=True)
    zeros = ["sparsity"] if any(_numbers(results, "sparsity")) else []
    for name in (row for row in [*ROWS, *zeros] if _numbers(results, row)):
        values = _numbers(results, name)
        fact = estimate(values, name)
        interval = f"{_show(name, fact.low)} to {_show(name, fact.high)}" if fact.n > 1 else "needs 2 seeds"
        low, high = (_show(name, extreme(values)) for extreme in (min, max))
        ends = f"{high} to {low}" if name.endswith("loss") else f"{low} to {high}"
        table.add_row(name, _show(name, fact.mean), interval, str(fact.n), ends)
    if "ensemble/accuracy" in results:
        table.add_row("ensemble/accuracy", _show("accuracy", results["ensemble/accuracy"][0]), "one value", "1", "")
    return table


def mc_table(title: str, results: Mapping[str, list[Any]]) -> Table:
    """Scores by one pass and by MC dropout, means over seeds, their difference by seed, and the ensemble's."""
    table = Table(title=title, title_justify="left")
    for column in ("", "accuracy", "NLL", "Brier", "ECE", "entropy", "BALD"):
        table.add_column(column, no_wrap=True)
    names = ("accuracy", "nll", "brier", "ece", "entropy", "mutual_information")
    ways = {"deterministic": "test", "MC dropout": "mc", "ensemble": "ensemble"}
    means = {way: [estimate(_numbers(results, f"{key}/{name}")) for name in names] for way, key in ways.items()}
    pairs = [zip(results["mc/" + name], results.get("test/" + name, []), strict=False) for name in names]
    gaps = [estimate(a - b for a, b in pair if a is not None) for pair in pairs]
    for way in ways:
        table.add_row(way, *(_show(name, e.mean) if e.n else "" for name, e in zip(names, means[way], strict=True)))
    table.add_section()
    table.add_row("MC - determ.", *(_show(name, e.mean) if e.n else "" for name, e in zip(names, gaps, strict=True)))
    margins = [_show(name, e.high - e.mean) if e.n > 1 else "" for name, e in zip(names, gaps, strict=True)]
    table.add_row("95 % margin", *margins)
    return table


def _numbers(results: Mapping[str, list[Any]], name: str) -> list[float]:
    return [value for value in results.get(name, []) if value is not None]


def _show(name: str, value: float) -> str:
    if name.endswith(PERCENT):
        return f"{value:.2%}"
    return f"{value:.1f}" if name.startswith("epoch") else f"{value:.4f}"
