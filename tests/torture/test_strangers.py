"""Files of strangers, of every kind that dnnx reads: a result or one line; no traceback, no code, no huge memory.

`make torture files=100000` makes so many damaged files and counts them.
"""

import random
import sys
from pathlib import Path

import pytest
from omegaconf.errors import OmegaConfBaseException
from torture.careless import limited
from torture.strangers import NAMES, Kind, damaged, kinds
from torture.tries import FILES, Tries

from dnnx.basics.errors import UserError

ONE_LINE = (UserError, OSError, OmegaConfBaseException)  # those of which dnnx.config.app makes a line
CODE = {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "socket.connect"}
READING: list[str] = []  # the file that is being read, for the audit hook, which cannot be removed
RAN: list[str] = []


def hear(event: str, args: tuple) -> None:
    if READING and event in CODE:
        RAN.append(f"{READING[0]}: {event} {args}")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    sys.addaudithook(hear)
    return kinds(tmp_path_factory.mktemp("strangers"))


def fault_of(kind: Kind, folder: Path, contents: bytes) -> str | None:
    """Return what is wrong with the end of a try, or None."""
    (path := folder / kind.name).write_bytes(contents)
    READING[:] = [kind.name]
    try:
        with limited(seconds=20, gigabytes=2):
            kind.read(path)
    except ONE_LINE as error:
        return "more than a line" if isinstance(error, UserError) and "\n" in str(error) else None
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {error}"
    finally:
        READING.clear()
    return RAN.pop() if RAN else None


def test_each_kind_has_a_name(known: dict[str, Kind]) -> None:
    assert set(known) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_whole_files_are_read(name: str, known: dict[str, Kind], tmp_path: Path) -> None:
    for contents in known[name].whole[:1]:
        (path := tmp_path / name).write_bytes(contents)
        known[name].read(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_read_right_or_refused_in_one_line(
    name: str, known: dict[str, Kind], tmp_path: Path, tries: Tries
) -> None:
    num = -(-FILES // len(NAMES)) if FILES else tries.number(20, 400)
    faults: dict[str, str] = {}
    for i in range(num):
        draw = random.Random(f"{tries.seed} {name} {i}")
        contents = damaged(draw.choice(known[name].whole), draw)
        if fault := fault_of(known[name], tmp_path, contents):
            faults.setdefault(fault[:60], f"try {i}: {fault}\n{contents[:3000]!r}")
    tries.count("a file of a stranger", num, list(faults))
    assert not faults, "\n\n".join(faults.values())
