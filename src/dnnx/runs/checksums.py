"""Checksums: whether two runs have the same data, and the networks of a run whatever its path. Imports no torch."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dnnx.basics.errors import UserError
from dnnx.runs.files import read_results

FILE = "backbone.json"  # of a run with a backbone: the checksum of the network that each seed starts from


def is_other_data(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two contents of data.json name other sources, or files of one name with other checksums.

    Content without a source, which an older run may have, is no other data.
    """
    sources = [facts.get("source") for facts in (one, other)]
    files = [facts.get("files", {}) for facts in (one, other)]
    is_other = any(files[0][name] != files[1][name] for name in set(files[0]) & set(files[1]))
    return None not in sources and (is_other or sources[0] != sources[1])


def of_networks(run: Path, seeds: Sequence[int]) -> dict[str, str]:
    """Return the SHA-256 of the weights of each of these seeds in a finished run; a seed that it lacks is left out.

    Names, types, shapes and bytes count, not the place of a seed among the others.
    """
    there = read_results(run)["seeds"]
    return {str(seed): _checksum(run / "model.safetensors", there.index(seed)) for seed in seeds if seed in there}


def _checksum(path: Path, place: int) -> str:
    """Return the checksum of row `place` of every tensor [R, ...] in a safetensors file.

    The file is 8 bytes with the length of a JSON header, the header, then all tensors (github.com/huggingface/
    safetensors).
    """
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            most, length = path.stat().st_size, int.from_bytes(file.read(8), "little")
            _require_inside(0, length, most)
            header = json.loads(file.read(length))
            for name in sorted(header.keys() - {"__metadata__"}):
                of, (start, end) = header[name], header[name]["data_offsets"]
                _require_inside(start, end, most)
                size = (end - start) // of["shape"][0]
                found.update(f"{name} {of['dtype']} {of['shape'][1:]}".encode())
                file.seek(8 + length + start + place * size)
                found.update(file.read(size))
    except (OSError, ValueError, LookupError, TypeError, ZeroDivisionError) as error:
        raise UserError(f"{path}: not readable as stacked networks ({error})") from None
    return found.hexdigest()


def _require_inside(start: int, end: int, most: int) -> None:
    """Raise ValueError for a part that does not lie in a file of `most` bytes: reading it could fill the memory."""
    if not 0 <= start <= end <= most:
        raise ValueError(f"bytes {start} to {end} of a file of {most}")
