"""Commands in processes forked from a warm one that has imported everything: seconds less for each try."""

import multiprocessing
import os
import runpy
import shutil
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from made_up_cifar10 import expect_few, image_files, packed
from torture import disk

WARM = [
    "dnnx.studies.study", "dnnx.training.lr_search", "dnnx.evaluation.results", "dnnx.evaluation.mc_dropout",
    "dnnx.training.callbacks.checkpoint",
    "dnnx.training.callbacks.record", "dnnx.training.callbacks.progress", "dnnx.data.cifar10", "dnnx.data.digits",
    "dnnx.training.module", "dnnx.reports.report", "dnnx.reports.table", "torch._dynamo", "made_up_cifar10",
    "dnnx.tuning.opening", "dnnx.tuning.trials", "dnnx.evaluation.answers", "dnnx.evaluation.exported",
    "dnnx.data.decoding", "sklearn.datasets", "torch.utils.tensorboard",
]  # fmt: skip
CONF = Path(__file__).parents[1] / "conf"
Before = Callable[[], object]


def _nothing() -> None:
    pass


def start(module: str, *arguments: str, cwd: Path, before: Before = _nothing, log: str = "log") -> BaseProcess:
    """Starts `python -m dnnx.<module> <arguments>`, with `before` called first; what it prints goes to cwd/<log>."""
    os.environ["OMP_NUM_THREADS"] = "1"  # threads do not survive a fork
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(WARM)
    process = context.Process(target=_act, args=(module, arguments, cwd, before, log))
    with disk.preloaded():  # into the fork server, which starts with the first process
        process.start()
    return process


def run(module: str, *arguments: str, cwd: Path, before: Before = _nothing, log: str = "log") -> tuple[int, str]:
    """Return the exit code of the command, negative for a signal, and its output."""
    process = start(module, *arguments, cwd=cwd, before=before, log=log)
    process.join()
    assert process.exitcode is not None
    return process.exitcode, (cwd / log).read_text()


def _act(module: str, arguments: tuple[str, ...], cwd: Path, before: Before, log: str) -> None:
    os.chdir(cwd)
    (cwd / "tmp").mkdir(exist_ok=True)
    tempfile.tempdir = str(cwd / "tmp")  # what a death leaves there is seen too
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = [f"dnnx.{module}", *arguments]
    expect_few(pytest.MonkeyPatch())
    sys.addaudithook(_no_network)
    before()
    runpy.run_module(f"dnnx.{module}", run_name="__main__")


def _no_network(event: str, args: tuple) -> None:
    """Ends a command that binds, connects, or looks up a name."""
    if event in ("socket.bind", "socket.connect", "socket.getaddrinfo"):
        print("CONNECTED", event, args, flush=True)
        raise RuntimeError("no network")


def place(folder: Path) -> Path:
    """A folder to run the study exp/torture.yaml in, with a made-up CIFAR-10 of its own."""
    packed(folder / "data", image_files())
    shutil.copytree(CONF / "exp", folder / "mine" / "exp")
    return folder


STUDY = ("train", "--config-dir", "mine", "+exp=torture", "paths.data=data", "jobs=1")


def draw_little() -> None:
    """Figures are empty: drawing them takes longer than the study."""
    import matplotlib.figure
    from PIL import Image

    def savefig(self: object, file: object, format: str, **_: object) -> None:
        if format == "png":
            Image.new("RGB", (1, 1)).save(file, "png")  # type: ignore[arg-type]
        else:
            file.write(b"<svg/>")  # type: ignore[attr-defined]

    matplotlib.figure.Figure.savefig = savefig  # type: ignore[assignment,method-assign]
