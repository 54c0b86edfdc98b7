"""The share of the machine that this process may use: cores, memory, graphics processors."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUPS, SELF, MEMINFO = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"), Path("/proc/meminfo")


def count_cores() -> int:
    """Return the cores of this process: its affinity, bounded by the CPU quota of its control groups."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [*_quotas_v2(), *_quotas_v1()]
    return max(1, int(min([affinity, *quotas])))


def available_memory() -> int | None:
    """Return the bytes that new processes may take, bounded by control groups; None where the system does not say."""
    free = [
        *_room("", "memory.max", "memory.current"),
        *_room("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ]
    with suppress(OSError, ValueError, StopIteration):
        line = next(line for line in MEMINFO.read_text().splitlines() if line.startswith("MemAvailable:"))
        free.append(1024 * int(line.split()[1]))
    return max(0, min(free)) if free else None


def busy_note(threads: int) -> str:
    """Return a warning if other processes use all cores and torch computes with several threads; else ""."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if threads < 2 or load <= cores:
        return ""
    return (
        f"the machine is busy (load average {load:.1f}, {cores} cores), and the {threads} threads of torch wait for "
        "each other; type OMP_NUM_THREADS=1 before the command"
    )


def has_gpu_driver() -> bool:
    """Return whether the driver of a graphics processor is there; torch then knows whether it can be used."""
    return any(Path("/dev", name).exists() for name in ("nvidiactl", "nvidia0", "dxg", "kfd"))


def _folders(controller: str) -> Iterator[Path]:
    """Yield the control group of this process and those above it; `controller` is "" in version 2."""
    try:
        lines = [line.split(":", 2) for line in SELF.read_text().splitlines()]
    except OSError:
        return
    top = CGROUPS / controller
    for _, names, path in (line for line in lines if len(line) == 3):
        if names == controller or (controller and controller in names.split(",")):
            group = top / path.lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder == top or top in folder.parents)


def _quotas_v2() -> Iterator[float]:
    for folder in _folders(""):
        with suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                yield int(quota) / int(period)


def _quotas_v1() -> Iterator[float]:
    for folder in _folders("cpu"):
        with suppress(OSError, ValueError):
            quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
            if quota > 0:
                yield quota / period


def _room(controller: str, limit: str, used: str) -> Iterator[int]:
    """Yield the bytes between use and limit of each control group; the page cache counts as free."""
    for folder in _folders(controller):
        with suppress(OSError, ValueError):
            bound, now = ((folder / name).read_text().strip() for name in (limit, used))
            facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            if bound != "max" and int(bound) < 2**60:
                yield int(bound) - int(now) + int(facts.get("inactive_file", facts.get("total_inactive_file", 0)))
