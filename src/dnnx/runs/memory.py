"""The peak memory of one job. A process may run several; each is measured for itself where the system allows it."""

import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

PROCESS = Path("/proc/self")


def begin_measuring() -> None:
    """Forget the peak of earlier jobs of this process, on Linux and on a GPU."""
    with suppress(OSError):
        (PROCESS / "clear_refs").write_text("5")
    if (gpu := _gpu()) is not None:
        gpu.reset_peak_memory_stats()


def peak_memory_mb() -> float:
    """Return the peak memory in MB: allocated on the GPU if one is in use, else resident in the process."""
    if (gpu := _gpu()) is not None and gpu.max_memory_allocated():
        return gpu.max_memory_allocated() / 2**20
    with suppress(OSError, StopIteration, ValueError):
        lines = (PROCESS / "status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # macOS counts bytes, Linux KiB


def _gpu() -> Any:
    """Return torch.cuda if this process uses it; torch is not imported for that."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None
