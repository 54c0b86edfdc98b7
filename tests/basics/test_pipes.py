"""A reader that goes away, as `| head` does, ends a command quietly."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WORDS = ["dnnx", "dnnx train --help", "train --info", "train --cfg job", "train --help", "compare --help"]


TINY = "data.source=digits trainer.max_epochs=1 seeds=2 net.hidden=[8] trainer.accelerator=cpu"


@pytest.mark.parametrize("words", [*WORDS, "train +exp=bn_vs_plain --cfg job"])
def test_a_closed_pipe_ends_quietly(words: str, tmp_path: Path) -> None:
    ends_quietly(words, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("words", [f"train {TINY}", f"train +exp=bn_vs_plain {TINY} jobs=1"])
def test_a_training_into_a_closed_pipe_ends_quietly(words: str, tmp_path: Path) -> None:
    """The job itself meets the pipe, inside Hydra, which prints what its jobs raise."""
    ends_quietly(words, tmp_path)


def ends_quietly(words: str, tmp_path: Path) -> None:
    module, *arguments = words.split()
    read, write = os.pipe()
    os.close(read)  # nobody reads, from the first byte on
    command = [sys.executable, "-m", "dnnx" if module == "dnnx" else f"dnnx.{module}", *arguments]
    done = subprocess.run(command, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(write)
    assert done.stderr == ""
    assert done.returncode in (0, 141)


def test_a_table_into_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    code = """
import sys
from dnnx.basics.console import console
from dnnx.basics.pipes import leave_pipe
try:
    for _ in range(10000):
        console.print("a line of a table")
    sys.stdout.flush()
except BrokenPipeError:
    sys.exit(leave_pipe())
"""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
