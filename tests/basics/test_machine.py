"""The share of the machine: cores by affinity and quota, memory by limit and by what is free."""

import os
from pathlib import Path

import pytest

from dnnx.basics import machine


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for /sys/fs/cgroup; this process is in the group /outer/inner of both versions."""
    told = tmp_path / "self"
    told.write_text("4:cpu,cpuacct:/outer/inner\n2:memory:/outer\n0::/outer/inner\n")
    monkeypatch.setattr(machine, "SELF", told)
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    return tmp_path / "cgroup"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_a_quota_all_cores_of_the_affinity_count(cgroups: Path) -> None:
    write(cgroups / "outer/inner/cpu.max", "max 100000\n")
    assert machine.count_cores() == 8


@pytest.mark.parametrize(("quota", "cores"), [("350000 100000", 3), ("50000 100000", 1), ("1600000 100000", 8)])
def test_a_quota_bounds_the_cores(cgroups: Path, quota: str, cores: int) -> None:
    write(cgroups / "outer/inner/cpu.max", f"{quota}\n")
    assert machine.count_cores() == cores


def test_the_quota_of_a_group_above_counts_too(cgroups: Path) -> None:
    write(cgroups / "outer/inner/cpu.max", "400000 100000\n")
    write(cgroups / "outer/cpu.max", "200000 100000\n")
    assert machine.count_cores() == 2


def test_a_quota_of_the_older_control_groups_counts(cgroups: Path) -> None:
    write(cgroups / "cpu/outer/inner/cpu.cfs_quota_us", "300000\n")
    write(cgroups / "cpu/outer/inner/cpu.cfs_period_us", "100000\n")
    assert machine.count_cores() == 3
    write(cgroups / "cpu/outer/inner/cpu.cfs_quota_us", "-1\n")
    assert machine.count_cores() == 8


def test_memory_is_what_the_tightest_bound_leaves(cgroups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo = cgroups.parent / "meminfo"
    meminfo.write_text("MemTotal: 100 kB\nMemAvailable:       64 kB\n")
    monkeypatch.setattr(machine, "MEMINFO", meminfo)
    assert machine.available_memory() == 64 * 1024
    write(cgroups / "outer/memory.max", "50000\n")
    write(cgroups / "outer/memory.current", "30000\n")
    write(cgroups / "outer/memory.stat", "anon 1\ninactive_file 10000\n")
    assert machine.available_memory() == 30000
    write(cgroups / "memory/outer/memory.limit_in_bytes", "40000\n")
    write(cgroups / "memory/outer/memory.usage_in_bytes", "39000\n")
    write(cgroups / "memory/outer/memory.stat", "total_inactive_file 0\n")
    assert machine.available_memory() == 1000


def test_a_system_that_tells_nothing_bounds_nothing(cgroups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MEMINFO", cgroups / "absent")
    assert machine.available_memory() is None


@pytest.mark.parametrize(("load", "threads", "warns"), [(8.0, 2, True), (8.0, 1, False), (0.5, 2, False)])
def test_a_busy_machine_is_told_what_to_type(
    load: float, threads: int, warns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    note = machine.busy_note(threads)
    assert ("type OMP_NUM_THREADS=1 before the command" in note) is warns
    assert bool(note) is warns
