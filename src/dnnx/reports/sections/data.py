"""The data: one description and the checksums of its files, for each kind of data among the arms."""

import json
from typing import Any

from dnnx.reports import page
from dnnx.reports.findings import Findings

PLACE = 75
FACTS = ("source", "sizes", "in_shape", "class_names")


def applies(found: Findings) -> bool:
    """Return True: missing facts about the data are reported as missing."""
    return True


def blocks(found: Findings) -> list[page.Block]:
    """Return a paragraph for each kind of data, and a table of its files."""
    told: list[page.Block] = []
    for text in dict.fromkeys(json.dumps(run.data) for run in found.study.runs if run.data):
        data = json.loads(text)
        facts = [f"{key} {in_words(data[key])}" for key in FACTS if data.get(key) is not None]
        facts += [str(data[key]) for key in ("note", "warning") if data.get(key)]
        told.append(page.Text("; ".join(facts) + "."))
        if data.get("files"):
            caption = f"Files of: {data.get('note') or data.get('source')}."
            rows = [[name, str(checksum)] for name, checksum in data["files"].items()]
            told.append(page.Table(caption, ["file", "SHA-256"], rows))
    return [page.Heading("Data", folded=True), *(told or [page.Text("Not recorded.")])]


def in_words(value: Any) -> str:
    """Return sizes, shapes and names as text."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {size:,}" for key, size in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
