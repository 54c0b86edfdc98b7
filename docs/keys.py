"""The reference of config keys as Markdown, from the files of conf/ and their comments."""

import re
from collections.abc import Iterator
from pathlib import Path

LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w/]+):(?: +(?!#)(?P<value>.*?))?(?: +# *(?P<comment>.*))?$")
COMMANDS = "train tune evaluate predict export sample cost import_weights"
LEFT_OUT = ("exp", "hydra/sweeper")  # experiments are on the pages of results; a sweeper has no keys of its own


def keys_page(conf: Path) -> str:
    """Return a section for each command, each group of options, and each option."""
    parts = []
    for name in COMMANDS.split():
        if (path := conf / f"{name}.yaml").exists():
            parts += [f"\n## Keys of `{name}`\n", *section(path.read_text(), "")]
    groups = {path.parent.relative_to(conf).as_posix() for path in conf.rglob("*.yaml")} - {"."}
    for group in sorted(group for group in groups if not group.startswith(LEFT_OUT)):
        parts.append(f"\n## `{group}=`\n")
        for path in sorted((conf / group).glob("*.yaml")):
            parts += [f"\n### `{group}={path.stem}`\n", *section(path.read_text(), f"{group.replace('/', '.')}.")]
    return "\n".join(parts) + "\n"


def section(text: str, prefix: str) -> Iterator[str]:
    """Yield the head of a config file and the table of its keys; `prefix` is their package unless it names another."""
    if package := re.search(r"^# @package (\S+)$", text, re.M):
        prefix = "" if package[1] == "_global_" else f"{package[1]}."
    head = re.match(r"(?:#.*\n)*", text)
    if head is not None:
        yield " ".join(line.lstrip("# ") for line in head[0].splitlines() if "@package" not in line)
    rows = [row for row in keys(text) if row[0].split(".")[0] not in ("defaults", "hydra")]
    if rows:
        yield "\n| key | default | meaning |\n|---|---|---|"
        yield from (f"| `{prefix}{key}` | {cell(value)} | {escape(comment)} |" for key, value, comment in rows)
    yield ""


def keys(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield each key of a config file with its value and its comment.

    >>> list(keys("a: 1 # one\\nb: # two\\n  c: [1, 2]\\n"))
    [('a', '1', 'one'), ('b', '', 'two'), ('b.c', '[1, 2]', '')]
    """
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        found = LINE.match(line)
        if found is None or line.lstrip().startswith(("#", "- ")):
            continue
        indent = len(found["indent"])
        above = [*(pair for pair in above if pair[0] < indent), (indent, found["key"])]
        if found["value"] or found["comment"]:
            yield ".".join(key for _, key in above), found["value"] or "", found["comment"] or ""


def cell(value: str) -> str:
    return f"`{value.replace('|', '&#124;')}`" if value else ""


def escape(comment: str) -> str:
    """Return a comment as text of a table cell: its signs are no markup.

    >>> escape("a|b, <name> and *.py")
    'a\\\\|b, \\\\<name> and \\\\*.py'
    """
    return re.sub(r"([|<*_\[\]{}$`])", r"\\\1", comment)
