"""A signal ends any command cleanly: one line, exit code 128 + its number, no finished epoch lost, the same results."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import measured, typed

from dnnx.data.loaders import TrainBatches
from dnnx.runs.files import read_json

SMALL = ["+exp=dense5", "+debug=smoke", "net.hidden=[8]", "trainer.max_epochs=5"]
Send = Callable[..., None]


@pytest.fixture
def send_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Send]:
    """Return a function: send this process a signal amid the batches of an epoch, counted from 1."""
    plain = TrainBatches.__iter__
    left: list[tuple[int, int]] = []

    def batches(self: Any) -> Iterator[Any]:
        for batch in plain(self):
            yield batch
            if left and self.epoch() == left[0][0] - 1:
                os.kill(os.getpid(), left.pop()[1])

    monkeypatch.setattr(TrainBatches, "__iter__", batches)
    yield lambda number, epoch: left.append((epoch, number))
    assert not left, "the signal was not sent"


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    assert typed("train", *SMALL, cwd=folder) == (0, "")
    return latest(folder)


def latest(folder: Path) -> Path:
    return (folder / "outputs" / "dense5" / "latest").resolve()


def same(one: Path, other: Path) -> None:
    for name in ("model.safetensors", "predictions.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    assert measured(read_json(one / "results.json")) == measured(read_json(other / "results.json"))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGINT"])
def test_a_signal_keeps_every_finished_epoch(name: str, send_in: Send, unbroken: Path, tmp_path: Path) -> None:
    send_in(signal.Signals[name], epoch=3)
    code, said = typed("train", *SMALL, cwd=tmp_path)
    run = latest(tmp_path)
    assert code == 128 + signal.Signals[name]
    shown = "Ctrl-C" if name == "SIGINT" else name
    assert said == f"stopped by {shown}; go on with: python -m dnnx.train resume=outputs/dense5/{run.name}\n"
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["epoch"] == 3, "epochs last less than checkpoint.every_s, so the running one is finished too"
    assert typed("train", f"resume=outputs/dense5/{run.name}", cwd=tmp_path) == (0, "")
    same(unbroken, run)


def test_a_long_epoch_is_given_up_at_once(send_in: Send, unbroken: Path, tmp_path: Path) -> None:
    send_in(signal.SIGTERM, epoch=3)
    code, _ = typed("train", *SMALL, "callbacks.checkpoint.every_s=0", cwd=tmp_path)
    run = latest(tmp_path)
    assert code == 143
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 2
    assert typed("train", f"resume=outputs/dense5/{run.name}", cwd=tmp_path) == (0, "")
    same(unbroken, run)


def stop_in(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Send this process SIGTERM when the function named `place` is called."""
    monkeypatch.setattr(place, lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))


def test_a_signal_while_data_is_loaded_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_in(monkeypatch, "dnnx.training.assemble.build_data")
    assert typed("train", *SMALL, cwd=tmp_path) == (143, "stopped by SIGTERM; to go on, type the same again\n")
    assert not list(tmp_path.iterdir())


def test_a_signal_in_the_search_of_the_rate_leaves_nothing(send_in: Send, tmp_path: Path) -> None:
    send_in(signal.SIGTERM, epoch=1)
    search = ["lr_search=grid", "lr_search.epochs=1", "lr_search.rates=[1e-3]"]
    assert typed("train", *SMALL, *search, cwd=tmp_path) == (143, "stopped by SIGTERM; to go on, type the same again\n")
    assert not list(tmp_path.iterdir())


def test_a_signal_in_the_test_loses_no_training(
    unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_in(patch, "dnnx.evaluation.results.measure")
        code, said = typed("train", *SMALL, cwd=tmp_path)
    run = latest(tmp_path)
    assert (code, said.partition(";")[0]) == (143, "stopped by SIGTERM")
    assert not (run / "results.json").exists()
    assert typed("train", f"resume=outputs/dense5/{run.name}", cwd=tmp_path) == (0, "")
    same(unbroken, run)


@pytest.mark.slow
def test_a_stopped_study_says_its_own_folder_and_trains_no_arm_twice(send_in: Send, tmp_path: Path) -> None:
    study = ["+exp=bn_vs_plain", "+debug=smoke", "net.hidden=[8]", "jobs=1"]
    send_in(signal.SIGTERM, epoch=2)
    code, said = typed("train", *study, cwd=tmp_path)
    folder = (tmp_path / "outputs" / "bn_vs_plain" / "latest").resolve()
    assert code == 143
    assert said == f"stopped by SIGTERM; go on with: python -m dnnx.train resume=outputs/bn_vs_plain/{folder.name}\n"
    assert not (folder / "bn").exists(), "no other arm begins"
    assert typed("train", f"resume=outputs/bn_vs_plain/{folder.name}", cwd=tmp_path) == (0, "")
    assert (folder / "bn" / "results.json").exists()
    assert (folder / "report.html").exists()


def test_a_signal_ends_an_evaluation(unbroken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_in(monkeypatch, "dnnx.evaluation.results.measure")
    code, said = typed("evaluate", f"run={unbroken}", cwd=unbroken.parents[2])
    assert (code, said) == (143, "stopped by SIGTERM; to go on, type the same again\n")
