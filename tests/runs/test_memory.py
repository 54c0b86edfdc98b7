"""The peak memory of a job is its own, not that of an earlier job of its process."""

import sys
from pathlib import Path

import numpy as np
import pytest

from dnnx.runs import memory

MB = 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep one peak for a process")
def test_a_job_does_not_carry_the_peak_of_the_one_before() -> None:
    memory.begin_measuring()
    large = np.ones(200 * MB, dtype=np.uint8)
    first = memory.peak_memory_mb()
    del large
    memory.begin_measuring()
    assert memory.peak_memory_mb() < first - 100


def test_without_the_files_of_linux_the_peak_of_the_process_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "PROCESS", tmp_path / "none")
    memory.begin_measuring()
    assert memory.peak_memory_mb() > 10
