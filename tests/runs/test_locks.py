"""A folder has one writer at a time, and a death frees it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_a_folder_has_one_writer_and_a_death_frees_it(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(UserError, match="another process is writing there"), sole_writer(tmp_path):
        pass
    other.send_signal(signal.SIGKILL)
    other.wait()
    with sole_writer(tmp_path), sole_writer(tmp_path):  # a study and its only run may have one folder
        assert not list(tmp_path.iterdir())


def test_a_process_that_has_ended_is_not_alive() -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    assert not is_alive(dead.pid)
    assert not is_alive(2**70)
    assert is_alive(1)
