"""Shared parts of downloads: a mirror that answers, a temporary folder, and one line for a failure."""

import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.request import Request, urlopen

REACH_S = 10  # until a mirror answers, DNS included; timeouts of sockets alone add up to minutes
STALL_S = 10  # without a byte, while downloading


class DownloadFailed(Exception):
    """The reason of a failed download, in one line."""


@contextmanager
def downloading(root: Path, urls: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield the first of `urls` to answer, and a temporary folder in `root` to fill.

    Raise DownloadFailed if none answers or the download fails, also if the connection stalls.
    """
    try:
        url = _first_to_answer(urls)
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as temporary, _timeout(STALL_S):
            yield url, Path(temporary)
    except (OSError, RuntimeError, HTTPException) as error:
        raise DownloadFailed(" ".join(str(error).split()) or type(error).__name__) from None


def _first_to_answer(urls: Sequence[str]) -> str:
    """Return the first of `urls` to send a byte. Raise OSError if none does within REACH_S."""
    answers: SimpleQueue[str | Exception] = SimpleQueue()

    def ask(url: str) -> None:
        try:
            with urlopen(Request(url), timeout=REACH_S) as response:
                response.read(1)
            answers.put(url)
        except Exception as error:
            answers.put(error)

    for url in urls:
        Thread(target=ask, args=(url,), daemon=True).start()
    deadline, answer = time.monotonic() + REACH_S, None
    for _ in urls:
        with suppress(Empty):
            answer = answers.get(timeout=max(0, deadline - time.monotonic()))
        if isinstance(answer, str):
            return answer
    raise OSError(answer or f"no mirror answered within {REACH_S} s")


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
