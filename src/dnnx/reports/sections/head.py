"""The head of a report: its question, and where its numbers come from."""

import re
from typing import Any

from dnnx.basics.counts import many
from dnnx.reports import page
from dnnx.reports.findings import Findings
from dnnx.reports.sections.commands import command_of
from dnnx.runs.run import Run, Study
from dnnx.runs.tables import AND

PLACE = 5
TIME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:_(\d{2})-(\d{2}))?")
NOT_SHOWN = ("_target_", "in_shape", "num_outputs")


def applies(found: Findings) -> bool:
    """Return True: every report has a head."""
    return True


def blocks(found: Findings) -> list[page.Block]:
    """Return the question, and date, command, commit, data and network."""
    study = found.study
    networks = list(dict.fromkeys(map(network, study.runs)))
    pairs = {
        "date": date(study),
        "command": AND.join(dict.fromkeys(filter(None, map(command_of, study.runs)))),
        "commit": _once(study, "git_commit"),
        "data": "; ".join(dict.fromkeys(filter(None, map(_data, study.runs)))),
        "network": networks[0] if len(networks) == 1 else "differs by arm",
        "runs": f"{many(len(study.runs), 'arm')}, {_seeds(study)}",
    }
    short = [pairs["date"], pairs["runs"], *found.sources]
    told = [(name, text) for name, text in pairs.items() if text]
    facts = page.Facts(told, "; ".join(text for text in short if text), code=("command",))
    return [*([page.Text(study.question)] if study.question else []), facts]


def date(study: Study) -> str:
    """Return when the last arm was trained: from environment.json, else from the name of its folder."""
    told = "; ".join(str(run.environment["date"]) for run in study.runs if run.environment.get("date"))
    dates = told.split("; ") if told else []
    if dates:
        return max(dates)
    times = [TIME.search(part) for run in study.runs for part in run.folder.parts[-2:]]
    return max((_time(found) for found in times if found), default="")


def network(run: Run) -> str:
    """Return the class of a run's network, its settings and its number of parameters."""
    net = run.setting("net")
    net = net if isinstance(net, dict) else {}
    name = str(net.get("_target_", "")).rpartition(".")[2] or str(run.setting("module._target_") or "")
    settings = ", ".join(f"{key} {_short(value)}" for key, value in net.items() if key not in NOT_SHOWN and value)
    total = run.one("params/total")
    size = f"{total:,.0f} parameters" if total == total else ""
    return "; ".join(part for part in (name, settings, size) if part)


def _time(found: re.Match[str]) -> str:
    return f"{found[1]} {found[2]}:{found[3]}" if found[2] else found[1]


def _once(study: Study, fact: str) -> str:
    return "; ".join(dict.fromkeys(str(run.environment[fact]) for run in study.runs if fact in run.environment))


def _data(run: Run) -> str:
    sizes = ", ".join(f"{count:,} {split}" for split, count in run.data.get("sizes", {}).items())
    source = str(run.data.get("note") or run.data.get("source") or "")
    return f"{source}: {sizes}" if source and sizes else source


def _seeds(study: Study) -> str:
    counts = sorted({len(run.seeds) for run in study.runs})
    seeds = many(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    return f"{seeds} each" if len(study.runs) > 1 else seeds


def _short(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
