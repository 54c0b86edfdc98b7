"""Fixtures of all tries: their count, shown at the end of `make torture`, and an undisturbed study."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import counted
import pytest
from torture import fuzz
from torture.forks import STUDY, place, run
from torture.strangers import NAMES
from torture.study import Whole, note_changes
from torture.tries import FILES, FULL, RECORD, Tries

TRIES = Tries()


@pytest.fixture(scope="session")
def tries() -> Tries:
    return TRIES


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = place(tmp_path_factory.mktemp("whole"))
    code, told = run(*STUDY, cwd=folder, before=note_changes)
    assert code == 0, told
    return Whole(folder, *json.loads((folder / "noted").read_text()))


@pytest.fixture(scope="session", autouse=FULL)
def fuzzing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen, Path]]:
    """The fuzzer, at work beside all other tries."""
    readers = [f"{name}={runs}" for name, runs in fuzz.RUNS.items()]
    command = [sys.executable, "-m", "torture.fuzz", str(TRIES.seed), *readers]
    log = tmp_path_factory.mktemp("fuzz") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=output, stderr=subprocess.STDOUT)
    yield process, log
    process.terminate()
    process.wait()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if FILES:
        tries, failures = TRIES.made.get("a file of a stranger", (0, 0))
        terminalreporter.write_line(f"{tries:,} files of strangers, {failures} kinds of failures")
        if RECORD:
            counted.write("files", {"seed": TRIES.seed, "kinds": len(NAMES), "tries": tries, "failures": failures})
    if FULL:
        for kind, (made, failed) in TRIES.made.items():
            terminalreporter.write_line(f"{kind}: {made:,} tries, {failed} failures")
        if find_spec("atheris") is None:
            TRIES.notes.append("NOT TRIED: files of bytes by a fuzzer, for atheris could not be installed")
        for note in TRIES.notes:
            terminalreporter.write_line(note)
        terminalreporter.write_line(f"in all: {sum(made for made, _ in TRIES.made.values()):,} tries")
