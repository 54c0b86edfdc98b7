"""The lock of a journal: one holder at a time; a dead one of this machine is recognized at once."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dnnx.tuning import journal_lock
from dnnx.tuning.journal_lock import JournalLock

DIES = "import os, sys; from pathlib import Path; from dnnx.tuning.journal_lock import JournalLock; \
JournalLock(Path(sys.argv[1])).acquire(); os.kill(os.getpid(), 9)"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    (tmp_path / "journal.log").touch()
    return tmp_path / "journal.log"


def test_the_lock_of_a_process_that_was_killed_here_is_broken_at_once(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_lock, "GRACE_S", 1e9)
    assert subprocess.run([sys.executable, "-c", DIES, str(journal)]).returncode == -signal.SIGKILL
    assert journal.with_name("journal.log.lock").is_symlink()
    assert JournalLock(journal).acquire()
    JournalLock(journal).release()
    assert [path.name for path in journal.parent.iterdir()] == ["journal.log"]


def test_a_lock_of_another_machine_is_left_alone_until_its_grace_ends(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.with_name("journal.log.lock").symlink_to("1 elsewhere 5")
    monkeypatch.setattr(journal_lock, "GRACE_S", 0.2)
    begun = time.monotonic()
    JournalLock(journal).acquire()
    assert time.monotonic() - begun >= 0.2


def _count(journal: Path, times: int) -> None:
    for _ in range(times):
        lock = JournalLock(journal)
        lock.acquire()
        number = int(journal.read_text() or 0)
        journal.write_text(str(number + 1))
        lock.release()


def test_processes_that_share_a_lock_lose_no_entry(journal: Path) -> None:
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_count, args=(journal, 50)) for _ in range(3)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert journal.read_text() == "150"
    assert os.listdir(journal.parent) == ["journal.log"]
