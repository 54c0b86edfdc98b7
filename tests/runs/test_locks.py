"""A folder has one writer at a time, and a death frees it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workers import children, wait_for_end

from dnnx.basics.errors import UserError
from dnnx.runs.locks import is_alive, sole_writer

HOLD = """
import sys, time
from pathlib import Path
from dnnx.runs.locks import sole_writer
with sole_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""

LEND = """
import subprocess, sys
from pathlib import Path
from dnnx.runs.locks import held, sole_writer
with sole_writer(Path(sys.argv[1])):
    code = f"from dnnx.runs.locks import borrow; borrow({held()!r})\\n" + sys.argv[2]
    subprocess.run([sys.executable, "-c", code, sys.argv[1]], pass_fds=held().values())
"""


def hold(folder: Path, *code: str) -> subprocess.Popen[str]:
    """Return a process of its own that has begun to write in a folder."""
    other = subprocess.Popen([sys.executable, "-c", *code[:1], folder, *code[1:]], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    return other


def test_a_folder_has_one_writer_and_a_death_frees_it(tmp_path: Path) -> None:
    other = hold(tmp_path, HOLD)
    with pytest.raises(UserError, match="another process is writing there"), sole_writer(tmp_path):
        pass
    other.send_signal(signal.SIGKILL)
    other.wait()
    with sole_writer(tmp_path), sole_writer(tmp_path):  # a study and its only run may have one folder
        assert not list(tmp_path.iterdir())


def test_the_worker_of_a_writer_may_write_and_outlives_it_alone(tmp_path: Path) -> None:
    command = hold(tmp_path, LEND, HOLD)
    [worker] = children(command.pid)
    try:
        command.kill()
        command.wait()
        with pytest.raises(UserError, match="another process is writing there"), sole_writer(tmp_path):
            pass
    finally:
        os.kill(worker, signal.SIGKILL)
    wait_for_end([worker], 5)
    with sole_writer(tmp_path):
        assert not list(tmp_path.iterdir())


def test_a_process_that_has_ended_is_not_alive() -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    assert not is_alive(dead.pid)
    assert not is_alive(2**70)
    assert is_alive(1)
