"""A user's own net that raises, hangs, allocates or prints in mid-epoch: one line, and a run to go on with."""

import os
import signal
import time
from pathlib import Path

import pytest
from torture.attempts import begin
from torture.forks import draw_little, run, start
from torture.tries import Tries

NET = """
import math, sys, time
import torch
from torch import nn

class Net(nn.Module):
    calls = 0

    def __init__(self, in_shape, num_outputs):
        super().__init__()
        self.inner = nn.Linear(math.prod(in_shape), num_outputs)

    def forward(self, x):
        Net.calls += 1
        if Net.calls == 40:
            ACT
        return self.inner(x.flatten(1))
"""
WORDS = ("+exp=dense5", "+debug=smoke", "net._target_=own.Net", "data.batch_size=64", "callbacks.checkpoint.every_s=0",
         "hydra.run.dir=made", "trainer.max_epochs=4", "trainer.accelerator=cpu")  # fmt: skip
SLIP = "shapes cannot be multiplied ({})\n  own.py, line 16"
RAISES = {
    "raise ValueError('a slip of mine')": ("ValueError: ", "a slip of mine\n  own.py, line 16: raise ValueError"),
    "None.weight": ("AttributeError: ", "'NoneType' object has no attribute 'weight'\n  own.py, line 16"),
    "x.flatten(1) @ x.flatten(1)[:3]": ("RuntimeError: ", SLIP.format("64x64 and 3x64")),
    "self.inner(x.flatten(1)[:, :3])": ("RuntimeError: ", SLIP.format("64x3 and 64x5")),
}
ALLOCATES = ("torch.ones(2**50)", "self.hoard = [bytearray(2**28) for _ in range(100)]", "raise MemoryError")


def write(folder: Path, act: str = "pass") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "own.py").write_text(NET.replace("ACT", act))
    return folder


def made(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "made" / name).read_bytes() for name in ("model.safetensors", "predictions.safetensors")}


def limited() -> None:
    begin(draw_little)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a net that does nothing of the kind."""
    folder = write(tmp_path_factory.mktemp("whole"))
    code, told = run("train", *WORDS, cwd=folder, before=limited)
    assert code == 0, told
    return made(folder)


def mended(folder: Path) -> dict[str, bytes]:
    """Go on with a net that is right now."""
    write(folder)
    code, told = run("train", "resume=made", "packages=[own]", cwd=folder, before=limited)
    assert code == 0, told
    return made(folder)


@pytest.mark.slow
@pytest.mark.parametrize("act", RAISES)
def test_an_error_is_a_line_with_the_lines_of_the_user(
    act: str, whole: dict[str, bytes], tmp_path: Path, tries: Tries
) -> None:
    code, told = run("train", *WORDS, cwd=write(tmp_path, act), before=limited)
    tries.count("an own net in mid-epoch", 1)
    assert code == 2, told
    assert "Traceback" not in told
    kind, message = RAISES[act]
    assert f"error: {kind}" in told
    assert message in told
    assert f"own.py, line 16: {act}" in told
    assert mended(tmp_path) == whole


@pytest.mark.slow
@pytest.mark.parametrize("act", ALLOCATES)
def test_too_much_memory_is_a_line(act: str, whole: dict[str, bytes], tmp_path: Path, tries: Tries) -> None:
    code, told = run("train", *WORDS, cwd=write(tmp_path, act), before=limited)
    tries.count("an own net in mid-epoch", 1)
    assert code == 2, told
    assert "Traceback" not in told
    assert "error: out of memory" in told
    assert mended(tmp_path) == whole


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_one_that_hangs_is_ended_by_a_signal(
    number: signal.Signals, whole: dict[str, bytes], tmp_path: Path, tries: Tries
) -> None:
    process = start(
        "train", *WORDS, cwd=write(tmp_path, "open('hangs', 'w').close(); time.sleep(1000)"), before=limited
    )
    while not (tmp_path / "hangs").exists():
        assert process.is_alive(), (tmp_path / "log").read_text()
        time.sleep(0.02)
    for _ in range(2):  # the first one waits for the end of the epoch, which does not come
        if process.is_alive():
            os.kill(process.pid or 0, number)
            process.join(5)
    tries.count("an own net in mid-epoch", 1)
    assert process.exitcode == (-number if number == signal.SIGKILL else 128 + number)
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert mended(tmp_path) == whole


@pytest.mark.parametrize("act", ["print('x' * 10000)", "sys.stderr.write('\\0\\x1b[2J' * 99)"])
def test_one_that_prints_changes_nothing(act: str, whole: dict[str, bytes], tmp_path: Path, tries: Tries) -> None:
    code, told = run("train", *WORDS, cwd=write(tmp_path, act), before=limited)
    tries.count("an own net in mid-epoch", 1)
    assert code == 0, told
    assert made(tmp_path) == whole
