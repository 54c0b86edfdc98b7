"""The tables at the end of a command: each metric of a run folder, with mean and interval over its seeds."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from dnnx.reports.format import is_equal, show, span, suffix, whole
from dnnx.reports.scales import geometric, is_skewed
from dnnx.reports.statistics import estimate
from dnnx.runs.about import about, is_loss, main_metric, names, split_of


def results_table(title: str, results: Mapping[str, Any]) -> Table:
    """Return mean, 95 % t interval, n and extremes of each metric. Metrics without values have no row."""
    rows = _rows(results)
    table = Table(title=title, title_justify="left", caption=geometric(rows) or None, caption_justify="left")
    for column in ("metric", "mean", "95 % interval", "n", "range of the seeds"):
        table.add_column(column, no_wrap=True)
    for name in rows:
        values, described = _numbers(results, name), about(results, name)
        fact = estimate(values, share=described.unit == "%", skewed=is_skewed(name))
        mean, low, high = span(fact.mean, fact.low, fact.high, described)
        interval = f"{low} to {high}{suffix(described)}" if fact.n > 1 else "needs 2 seeds"
        mean = f"{mean}{suffix(described)}"
        if fact.n < 2 or is_equal(fact):
            mean, interval = whole(fact.mean, described), "the same in all" if fact.n > 1 else interval
        least, most = whole(min(values), described), whole(max(values), described)
        table.add_row(name, mean, interval, str(fact.n), f"{least.removesuffix(suffix(described))} to {most}")
    if joint := _joint(results):
        table.add_row(joint, show(_numbers(results, joint)[0], about(results, joint)), "one value", "1", "")
    return table


def mc_table(title: str, results: Mapping[str, Any]) -> Table:
    """Return scores of one pass and of MC dropout: means over seeds, their difference by seed, and the ensemble's."""
    table = Table(title=title, title_justify="left")
    heads = {"nll": "NLL", "brier": "Brier", "ece": "ECE", "mutual_information": "BALD"}
    scores = [split_of(name)[1] for name in names(results, "mc")]
    for column in ("", *(heads.get(name, name) for name in scores)):
        table.add_column(column, no_wrap=True)
    for way, key in {"deterministic": "test", "MC dropout": "mc", "ensemble": "ensemble"}.items():
        table.add_row(way, *(_mean(results, f"{key}/{name}") for name in scores))
    table.add_section()
    pairs = [zip(results[f"mc/{name}"], results.get(f"test/{name}", []), strict=False) for name in scores]
    gaps = [estimate(a - b for a, b in pair if a is not None) for pair in pairs]
    shown = [(e, about(results, f"mc/{name}")) for name, e in zip(scores, gaps, strict=True)]
    table.add_row("MC - determ.", *(show(e.mean, a) if e.n else "" for e, a in shown))
    table.add_row("95 % margin", *(show(e.high - e.mean, a) if e.n > 1 else "" for e, a in shown))
    return table


def _rows(results: Mapping[str, Any]) -> list[str]:
    """Return the metrics of a run in order: test set, main metric on the other sets, losses, epochs."""
    main = main_metric([results])
    others = [f"{split}/{split_of(main)[1]}" for split in ("train", "val")] if main and not is_loss(main) else []
    wanted = dict.fromkeys([*names(results, "test"), *others, *names(results, "val"), "epoch/best"])
    zeros = ["sparsity"] if any(_numbers(results, "sparsity")) else []
    return [name for name in [*wanted, *zeros] if _numbers(results, name)]


def _joint(results: Mapping[str, Any]) -> str | None:
    """Return the name of the ensemble's main metric, or None if it was not measured."""
    name = f"ensemble/{split_of(main_metric([results]) or '')[1]}"
    return name if _numbers(results, name) and not is_loss(name) else None


def _mean(results: Mapping[str, Any], name: str) -> str:
    e = estimate(_numbers(results, name))
    return show(e.mean, about(results, name)) if e.n else ""


def _numbers(results: Mapping[str, Any], name: str) -> list[float]:
    return [value for value in results.get(name, []) if value is not None]
