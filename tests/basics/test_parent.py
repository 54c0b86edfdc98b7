"""No child of a command outlives it: workers of a launcher, and a process that still imports."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workers import wait_for_end

CHILD = """
import os, sys, time
from pathlib import Path
from dnnx.basics import parent
{act}
"""
ACTS = {
    "a thread": "with parent.ending_with(os.getppid()):\n    Path('ready').touch(); time.sleep(60)",
    "a launcher's process": "with parent.ending_with_command():\n    Path('ready').touch(); time.sleep(60)",
    "the system": "parent.end_with_parent(True); Path('ready').touch(); time.sleep(60)",
}
PARENT = """
import os, subprocess, sys, time
os.environ["DNNX_COMMAND_PID"] = str(os.getpid())
print(subprocess.Popen([sys.executable, "-c", sys.argv[1]]).pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("act", ACTS)
def test_a_child_ends_within_seconds_of_its_killed_parent(act: str, tmp_path: Path) -> None:
    if act == "the system" and sys.platform != "linux":
        pytest.skip("Linux alone kills children for a process")
    code = CHILD.format(act=ACTS[act])
    command = [sys.executable, "-c", PARENT, code]
    parent = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    while not (tmp_path / "ready").exists():
        time.sleep(0.02)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert wait_for_end([child], 5) == []


def test_a_process_that_is_no_child_of_the_command_is_left_alone(tmp_path: Path) -> None:
    code = CHILD.format(act="with parent.ending_with_command():\n    time.sleep(1.2); Path('ended').touch()")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "DNNX_COMMAND_PID": "1"}, check=True)
    assert (tmp_path / "ended").exists()
