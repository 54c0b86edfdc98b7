"""How a recipe is timed: a process of its own that runs one epoch whenever it is asked to.

So recipes share a machine's noise, one epoch of each in turn, but neither memory nor settings. A recipe talks to
bench.py in JSON lines on what was its standard output; what libraries print goes to standard error.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

LABELS = range(5)


class Rounds:
    """The recipe's side: `next` at the start of each epoch."""

    def __init__(self) -> None:
        self.channel = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self.started: float | None = None
        self.cpu = 0.0

    def next(self, images: int = 0, device: str = "cpu") -> None:
        """Ends the epoch that was running, of so many images, and returns when the next one is wanted."""
        if device == "cuda":
            import torch

            torch.cuda.synchronize()
        if self.started is None:
            self._send(ready=True)
        else:
            seconds, cpu_s = time.perf_counter() - self.started, time.process_time() - self.cpu
            self._send(images=images, seconds=seconds, cpu_s=cpu_s)
        if not sys.stdin.readline():
            self._send(memory_mb=peak_mb())
            os._exit(0)
        self.started, self.cpu = time.perf_counter(), time.process_time()

    def _send(self, **message: Any) -> None:
        print(json.dumps(message), file=self.channel, flush=True)


def peak_mb() -> float:
    """Resident memory of this process at its highest, and the most that lay on a GPU."""
    torch = sys.modules.get("torch")
    gpu = torch.cuda.max_memory_allocated() / 2**20 if torch and torch.cuda.is_available() else 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10 + gpu


def options() -> dict[str, Any]:
    """The recipe's arguments, which bench.py gives as one JSON object."""
    return json.loads(sys.argv[1])


def source() -> Any:
    """The images of MNIST, or of what stands in for it."""
    from dnnx.data.sources import load

    return load("auto", Path(os.environ.get("DNNX_DATA_DIR", "data")))


def splits(steps: int | None, batch_size: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """uint8 images [N, 1, H, W] and labels of the digits 0-4; `steps` cuts training, and validation as much.

    An environment without dnnx reads them from the file BENCH_DATA that bench.py wrote.
    """
    if "BENCH_DATA" in os.environ:
        with np.load(os.environ["BENCH_DATA"]) as kept:
            chosen = {name: (kept[f"{name}_x"], kept[f"{name}_y"]) for name in ("train", "val")}
        return cut(chosen, steps, batch_size)
    data = source()
    n = data.num_val
    parts = {
        "train": (data.train_images[n:], data.train_labels[n:]),
        "val": (data.train_images[:n], data.train_labels[:n]),
    }
    chosen = {name: (x[np.isin(y, LABELS)], y[np.isin(y, LABELS)]) for name, (x, y) in parts.items()}
    return cut(chosen, steps, batch_size)


def keep(path: Path) -> None:
    """Write all images and labels of `splits` to a file, for BENCH_DATA."""
    named = {name: dict(zip("xy", pair, strict=True)) for name, pair in splits(None, 1).items()}
    kept: dict[str, Any] = {f"{name}_{key}": value for name, pair in named.items() for key, value in pair.items()}
    np.savez(path, **kept)


def cut(chosen: dict[str, tuple[Any, Any]], steps: int | None, batch_size: int) -> dict[str, tuple[Any, Any]]:
    share = min(1.0, steps * batch_size / len(chosen["train"][0])) if steps else 1.0
    return {name: (x[: round(len(x) * share)], y[: round(len(y) * share)]) for name, (x, y) in chosen.items()}
