"""How often each kind of fault is tried, and the table of outcomes."""

import os
from collections.abc import Sequence

FULL = bool(os.environ.get("DNNX_TORTURE"))  # `make torture` sets it
ALL = os.environ.get("DNNX_TORTURE") == "all"  # tries that take minutes of their own
FILES = int(os.environ.get("DNNX_TORTURE_FILES", "0"))  # of strangers; `make torture files=` sets it
PROCESSES = int(os.environ.get("DNNX_TORTURE_PROCESSES", "0"))  # that are disturbed; `make torture processes=` sets it
RECORD = bool(os.environ.get("DNNX_TORTURE_RECORD"))  # for docs/reliability.md; with record=1 the two above set it
AGAIN = bool(os.environ.get("DNNX_TORTURE_AGAIN"))  # makes those tries of processes that failed; again=1 sets it


class Tries:
    """Counts the tries of a session by kind of fault; `seed` makes them the same every time."""

    def __init__(self) -> None:
        self.seed = int(os.environ.get("DNNX_TORTURE_SEED", "0"))
        self.made: dict[str, list[int]] = {}
        self.notes: list[str] = []  # lines of the summary

    def number(self, short: int, full: int) -> int:
        """How many tries: a few in `make test`, many in `make torture`."""
        return full if FULL else short

    def count(self, kind: str, num: int, failures: Sequence[str] = ()) -> None:
        made = self.made.setdefault(kind, [0, 0])
        made[0] += num
        made[1] += len(failures)
