"""Record where the numbers of a run come from: versions, hardware, command, and the data with its checksums."""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from dnnx.basics.typed import typed_command
from dnnx.runs.files import read_json


def environment() -> dict[str, Any]:
    """Return date, typed command, versions and hardware of a run. Unknown values are absent."""
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": typed_command(),
        **{name: version(name) for name in ("dnnx", "torch", "lightning", "hydra-core", "torchmetrics", "numpy")},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "git_commit": _git_commit(),
    }
    return {name: value for name, value in facts.items() if value is not None}


def data_facts(data: Any) -> dict[str, Any]:
    """Return source, checksums, shape, classes and sizes of a data module."""
    return {**data.provenance, "in_shape": list(data.in_shape), "class_names": data.class_names, "sizes": data.sizes}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())


def _git_commit() -> str | None:
    """Return the git commit of this checkout, or None for an installed package."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.strip() or None
    except (OSError, subprocess.TimeoutExpired):
        return None


def merged_with(folder: Path) -> str:
    """Return the arms that were one network with the run in `folder`, this one among them; "" if it trained alone."""
    path, saved = folder / "environment.json", folder / "checkpoints" / "last.ckpt"
    return str(read_json(path).get("merged_with", "")) if path.exists() and saved.exists() else ""
