"""Keep a decoded source in one file, which later processes map into memory."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from dnnx.basics.console import console
from dnnx.basics.errors import UserError
from dnnx.data.sources.archive import list_files
from dnnx.data.sources.source import Source
from dnnx.runs.files import write_atomic

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
FORMAT = 1  # increase it when decoding gives other results


def cached(origin: Path, build: Callable[[Path], Source]) -> Source:
    """Return `build(origin)`, or its stored result while names, sizes and times of the files stay the same.

    The result is stored as <origin>.decoded.safetensors beside the origin. If that folder is read-only, it goes to
    $XDG_CACHE_HOME/dnnx (~/.cache/dnnx). Simultaneous processes build the same file, and the last rename wins.
    """
    stamp = _stamp(origin)
    beside = origin.with_name(f"{origin.name}.decoded.safetensors")
    key = hashlib.sha256(str(origin.resolve()).encode()).hexdigest()[:8]
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "dnnx", f"{key}-{beside.name}")
    for path in (beside, own):
        if source := _read(path, stamp):
            return source
    place = beside if _writable(origin.parent) else own
    console.print(f"decoding {origin}, once; stored in {place}", soft_wrap=True)
    source = build(origin)
    _write(source, place, stamp)
    return source


def _stamp(origin: Path) -> str:
    """Return a stamp that changes if a file of `origin` is added, removed or written."""
    digest = hashlib.sha256(str(FORMAT).encode())
    for name, path in list_files(origin) if origin.is_dir() else [(origin.name, str(origin))]:
        facts = os.stat(path)
        digest.update(f"{name} {facts.st_size} {facts.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _read(path: Path, stamp: str) -> Source | None:
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["source"])
            if about.pop("stamp") == stamp:
                source = Source(**about, **{name: file.get_tensor(name).numpy() for name in ARRAYS})
                return source if _is_whole(source) else None
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass  # absent, truncated, or of another format: build it again
    return None


def _is_whole(source: Source) -> bool:
    splits = ((source.train_images, source.train_labels), (source.test_images, source.test_labels))
    fit = all(x.ndim == 4 and y.shape == x.shape[:1] and x.dtype == y.dtype == "uint8" for x, y in splits)
    known = fit and all(x.size > 0 and y.max() < len(source.class_names) for x, y in splits)
    return known and source.train_images.shape[1:] == source.test_images.shape[1:] and type(source.num_val) is int


def _write(source: Source, path: Path, stamp: str) -> None:
    arrays = {name: torch.from_numpy(getattr(source, name)) for name in ARRAYS}
    about = {field.name: getattr(source, field.name) for field in dataclasses.fields(source)} | {"stamp": stamp}
    text = json.dumps({name: value for name, value in about.items() if name not in ARRAYS})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, lambda new: new.write_bytes(save(arrays, {"source": text})))
    except OSError as error:
        size = sum(array.nbytes for array in arrays.values()) / 1e6
        raise UserError(
            f"{path}: the decoded images, {size:.0f} MB, cannot be stored there ({error.strerror}); "
            "free some space, or make the data folder read-only and set XDG_CACHE_HOME to a folder with space"
        ) from None


def _writable(folder: Path) -> bool:
    """Return whether `folder` is writable. Root also respects the read-only mark."""
    return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)
