"""Workers ask Linux for long turns, and keep their priority."""

import os
import subprocess
import sys

import pytest

CODE = """
import os
from pathlib import Path
from dnnx.basics.time_slices import ask_for_long_slices

os.nice(3)
agreed = ask_for_long_slices()
if os.fork() == 0:  # a worker
    print(agreed, os.sched_getscheduler(0) == os.SCHED_BATCH, os.getpriority(os.PRIO_PROCESS, 0))
    print(Path("/proc/self/sched").read_text() if Path("/proc/self/sched").exists() else "")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone is asked")
def test_a_worker_inherits_long_slices_and_its_priority() -> None:
    told = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    assert told.startswith(f"True True {min(nice + 3, 19)}\n")
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if release >= (6, 12) and "se.slice" in told:
        slices = next(line for line in told.splitlines() if line.startswith("se.slice"))
        assert slices.split()[-1] == "100000000"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone is asked")
def test_a_policy_that_was_chosen_stays() -> None:
    code = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\n" + CODE
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.startswith("False False ")


def test_no_call_is_made_on_an_unknown_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from dnnx.basics import time_slices

    monkeypatch.setattr(time_slices.platform, "machine", lambda: "riscv64")
    assert not time_slices.ask_for_long_slices()
