"""The keys of config.yaml that differ between the arms."""

import json
from typing import Any

from dnnx.reports import page
from dnnx.reports.findings import Findings

PLACE = 70
EQUAL = "Nothing: the configurations are equal."
TOO_FEW = "There are no two configurations to compare."


def applies(found: Findings) -> bool:
    """Return whether there are two arms to compare; equal configurations are reported as equal."""
    return len(found.study.runs) > 1


def blocks(found: Findings) -> list[page.Block]:
    """Return a table of the keys, or a sentence where none differs."""
    heading = page.Heading("What differs between the arms", folded=True)
    flat = [_flatten(run.config) for run in found.study.runs if run.config]
    names = [run.name for run in found.study.runs if run.config]
    keys = [key for key in dict.fromkeys(k for config in flat for k in config) if len({c.get(key) for c in flat}) > 1]
    if not keys:
        return [heading, page.Text(EQUAL if len(flat) > 1 else TOO_FEW)]
    longer = len(names) > len(keys)  # more arms than keys: then the arms are the rows
    rows = [["arm" if longer else "key", *names]]
    rows += [[key, *(config.get(key, "absent") for config in flat)] for key in keys]
    head, *rows = [list(column) for column in zip(*rows, strict=True)] if longer else rows
    return [heading, page.Table("All keys of config.yaml that are not equal in all arms.", head, rows)]


def _flatten(config: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value, default=str)
    return flat
