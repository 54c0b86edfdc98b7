"""The table that a command ends with: what a run folder says, mean and interval over its seeds."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from dnnx.studies.statistics import estimate

SHARES = ("accuracy", "precision", "recall", "f1")
ROWS = (*(f"test/{name}" for name in (*SHARES, "loss")), "train/accuracy", "val/accuracy", "val/loss", "epoch/best")


def results_table(title: str, results: Mapping[str, list[Any]]) -> Table:
    """Mean, 95 % t interval, n and extremes of each metric; metrics that were not measured have no row."""
    table = Table(title=title, title_justify="left")
    for column in ("metric", "mean", "95 % interval", "n", "worst to best seed"):
        table.add_column(column, no_wrap=True)
    for name in (row for row in ROWS if row in results):
        values = [value for value in results[name] if value is not None]
        fact = estimate(values)
        interval = f"{_show(name, fact.low)} to {_show(name, fact.high)}" if fact.n > 1 else "needs 2 seeds"
        low, high = (_show(name, extreme(values)) for extreme in (min, max))
        ends = f"{high} to {low}" if name.endswith("loss") else f"{low} to {high}"
        table.add_row(name, _show(name, fact.mean), interval, str(fact.n), ends)
    if "ensemble/accuracy" in results:
        table.add_row("ensemble/accuracy", _show("accuracy", results["ensemble/accuracy"][0]), "one value", "1", "")
    return table


def _show(name: str, value: float) -> str:
    if name.endswith(SHARES):
        return f"{value:.2%}"
    return f"{value:.1f}" if name.startswith("epoch") else f"{value:.4f}"
