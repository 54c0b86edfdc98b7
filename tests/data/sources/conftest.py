"""No network for any source, but a server on this machine where a test asks for one."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dnnx.data.sources import download

urlopen = download.urlopen  # before any test replaces it


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every host refuses at once; the list says who was asked."""
    asked: list[str] = []

    def refuse(request: Any, timeout: float) -> None:
        asked.append(request.full_url)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(download, "urlopen", refuse)
    return asked


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, no_network: list[str]) -> Iterator[Callable[[Path], str]]:
    """Serves a folder on 127.0.0.1 until the test ends; gives its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def copyfile(self, *streams: Any) -> None:
            with contextlib.suppress(ConnectionError):  # who asks whether it answers reads one byte
                super().copyfile(*streams)

    servers: list[ThreadingHTTPServer] = []

    def start(folder: Path) -> str:
        servers.append(server := ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(download, "urlopen", urlopen)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
