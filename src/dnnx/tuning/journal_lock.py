"""The lock of a tuning's journal. That of a process which died on this machine is broken at once."""

import os
import time
from contextlib import suppress
from pathlib import Path

from dnnx.runs.locks import lives, this_process, waiting_for

GRACE_S = 30.0  # after which a lock of another machine counts as left by a dead process
FIRST_WAIT_S, LONGEST_WAIT_S = 0.001, 0.1


class JournalLock:
    """A link beside the journal, which only one process of any machine can make; it names its maker.

    Optuna's own lock does not say whose it is, so that all others wait 30 s after a death.
    """

    def __init__(self, journal: Path):
        self.journal, self.path = journal, journal.with_name(f"{journal.name}.lock")

    def acquire(self) -> bool:
        """Wait for the lock, and take it."""
        wait_s, since, seen = FIRST_WAIT_S, time.monotonic(), ("", 0)
        while True:
            try:
                self.path.symlink_to(this_process())
                return True
            except FileExistsError:
                pass
            found = self._found()
            if found != seen:
                since, seen = time.monotonic(), found
            if lives(found[0]) is False or time.monotonic() - since > GRACE_S:
                self._break(found)
            else:
                time.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def release(self) -> None:
        with suppress(FileNotFoundError):
            self.path.unlink()

    def _found(self) -> tuple[str, int]:
        """Return the maker of the lock and when it was made; ("", 0) if nobody holds it."""
        with suppress(OSError):
            return os.readlink(self.path), self.path.lstat().st_mtime_ns
        return "", 0

    def _break(self, found: tuple[str, int]) -> None:
        """Remove a lock, unless another process of this machine has done so and taken it."""
        with waiting_for(self.journal):
            if self._found() == found:
                self.release()
