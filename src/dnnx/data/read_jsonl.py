"""Read .jsonl files: one JSON object per line, plain or compressed."""

import gzip
import json
import lzma
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dnnx.basics.errors import UserError, near_misses
from dnnx.data.files import naming_file

OPEN: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open}


def read_jsonl(path: Path, keys: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line number and the object of each line. Raise UserError for a broken line and for a missing key."""
    opened = OPEN.get(path.suffix, open)
    errors = UnicodeDecodeError, lzma.LZMAError, zlib.error
    with naming_file(path, *errors), opened(path, "rt", encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except ValueError as error:
                raise UserError(f"{path}: line {number} is no JSON ({error})") from None
            if not isinstance(found, dict):
                raise UserError(f'{path}: line {number} is no object such as {{"text": ..., "label": ...}}')
            for key in keys:
                if key not in found:
                    raise UserError(f"{path}: line {number} has no {key}{near_misses(key, found)}")
            yield number, found


def text_of(path: Path, number: int, found: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Return the texts of the keys of a line, joined. Raise UserError for a value of another kind, such as null."""
    for key in keys:
        if not isinstance(found[key], str):
            kind = "null" if found[key] is None else f"a {type(found[key]).__name__}"
            raise UserError(f"{path}: line {number}: {key} is {kind}, no text; correct it, or delete the line")
    return " ".join(found[key] for key in keys)
