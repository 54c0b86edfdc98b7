"""Fixtures of several tests: real data sets where present, a tiny made-up MNIST, and devices."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from made_up_mnist import make_files

from dnnx.data.sources.cifar10 import READERS
from dnnx.data.sources.mnist import MNIST_FILES

REAL = Path(os.environ.get("DNNX_DATA_DIR") or Path(__file__).parents[2] / "shared" / "data")

# A shell lets its background jobs ignore Ctrl-C, and nohup a hangup. Tests send both.
for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, default)

# No timing decides a test, and the same examples come every time.
settings.register_profile("dnnx", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("dnnx")


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """Return the folder of the real MNIST: $DNNX_DATA_DIR, else shared/data beside the repository."""
    if not all((REAL / "MNIST" / "raw" / name).exists() for name in MNIST_FILES):
        pytest.skip("real MNIST is absent: set DNNX_DATA_DIR to the folder that holds MNIST/raw/")
    return REAL


@pytest.fixture(scope="session")
def real_cifar10() -> Path:
    """Return the folder of the real CIFAR-10, as for MNIST."""
    if not any((REAL / name).exists() for name in READERS):
        pytest.skip(f"real CIFAR-10 is absent: set DNNX_DATA_DIR to the folder that holds {' or '.join(READERS)}")
    return REAL


@pytest.fixture(scope="session")
def real_fashion() -> Path:
    """Return the folder of the real Fashion-MNIST, as for MNIST."""
    root = REAL / "FashionMNIST" / "raw"
    if not root.is_dir():
        pytest.skip("real Fashion-MNIST is absent: set DNNX_DATA_DIR to the folder that holds FashionMNIST/raw/")
    return root


@pytest.fixture(scope="session")
def tiny_files() -> dict[str, bytes]:
    """Return the files of a tiny made-up MNIST: file name -> contents."""
    return make_files()


@pytest.fixture
def tiny_mnist(tmp_path: Path, tiny_files: dict[str, bytes]) -> Callable[..., Path]:
    """Return a function that writes `tiny_files`; `changed` replaces a file's contents, or leaves it out (None)."""

    def make(folder: str = "MNIST/raw", **changed: bytes | None) -> Path:
        root = tmp_path / "data"
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name, contents in (tiny_files | {key.replace("_", "-"): value for key, value in changed.items()}).items():
            if contents is not None:
                (root / folder / name).write_bytes(contents)
        return root

    return make


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> torch.device:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return torch.device(request.param)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares the seconds that drawing takes where a test looks at words only."""
    from dnnx.reports.figures import drawing

    def save(draw: object, folder: Path, name: str) -> Path:
        (folder / f"{name}.svg").write_text("<svg/>")
        return folder / f"{name}.svg"

    monkeypatch.setattr(drawing, "save", save)
