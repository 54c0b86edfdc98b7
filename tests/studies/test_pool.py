"""A study in worker processes: the same bytes as in one process, and nothing lost or left when a process is killed."""

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest
from commands import measured, typed
from workers import DIES, DYING, TRUSTED, rows, wait_for_end, wait_for_workers
from workers import start as start_command

from dnnx.studies.foreman import Foreman, Task
from dnnx.studies.pool import Pool, open_pool
from dnnx.studies.schedule import failure

TINY = [
    "+exp=bn_vs_plain", "data.source=digits", "seeds=2", "net.hidden=[8]", "trainer.max_epochs=4",
    "callbacks.checkpoint.every_s=0",
]  # fmt: skip
LATEST = Path("outputs/bn_vs_plain/latest")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the study that one process trained, one arm after the other."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "dying.py").write_text(DYING)
    assert typed("train", *TINY, DIES, "jobs=1", cwd=folder) == (0, "")
    return folder / LATEST


def differences(one: Path, other: Path) -> list[str]:
    """Return what differs between two copies of the study, except times."""
    wrong = []
    for arm in ("plain", "bn"):
        for name in ("model.safetensors", "predictions.safetensors", "data.json"):
            wrong += [name] if (one / arm / name).read_bytes() != (other / arm / name).read_bytes() else []
        wrong += ["metrics.csv"] if rows(one / arm) != rows(other / arm) else []
        wrong += ["results.json"] if results(one / arm) != results(other / arm) else []
    return wrong


def results(run: Path) -> dict:
    return measured(json.loads((run / "results.json").read_text()))


def start(folder: Path) -> subprocess.Popen[str]:
    return start_command(folder, *TINY, DIES, "jobs=2")


@pytest.mark.slow
def test_two_workers_leave_the_bytes_of_one_process(
    whole: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dying.py").write_text(DYING)
    assert typed("train", *TINY, DIES, "jobs=2", cwd=tmp_path) == (0, "")
    assert differences(whole, tmp_path / LATEST) == []
    said = capfd.readouterr().out
    for expected in ("plain starts", "bn starts", "(1 of 2", "(2 of 2", "test/accuracy", "report: outputs"):
        assert expected in said
    assert "epoch 1/" not in said
    assert (tmp_path / LATEST / "report.html").exists()


@pytest.mark.slow
def test_a_killed_worker_stops_no_other_and_its_job_goes_on_to_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(DYING)
    (tmp_path / "die-plain").touch()
    code, said = typed("train", *TINY, DIES, "jobs=2", cwd=tmp_path)
    assert code == 2
    assert "error: plain died: its process was ended by SIGKILL; go on with: python -m dnnx.train resume=" in said
    assert (tmp_path / LATEST / "bn" / "results.json").exists()
    assert not (tmp_path / LATEST / "plain" / "results.json").exists()
    trained = (tmp_path / LATEST / "bn" / "results.json").stat().st_mtime_ns
    assert typed("train", f"resume={LATEST}", TRUSTED, cwd=tmp_path) == (0, "")
    assert differences(whole, tmp_path / LATEST) == []
    assert (tmp_path / LATEST / "bn" / "results.json").stat().st_mtime_ns == trained


@pytest.mark.slow
def test_no_process_outlives_a_killed_parent_and_the_study_goes_on(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "wait").touch()
    parent = start(tmp_path)
    processes = wait_for_workers(tmp_path)
    parent.kill()
    parent.communicate()
    assert wait_for_end(processes, 5) == []
    (tmp_path / "wait").unlink()
    assert typed("train", f"resume={LATEST}", TRUSTED, cwd=tmp_path) == (0, "")
    assert differences(whole, tmp_path / LATEST) == []


@pytest.mark.slow
def test_ctrl_c_ends_all_processes_with_a_line_that_says_how_to_go_on(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "wait").touch()
    parent = start(tmp_path)
    processes = wait_for_workers(tmp_path)
    parent.send_signal(signal.SIGINT)
    _, said = parent.communicate(timeout=60)
    assert parent.returncode == 130
    folder = os.path.relpath((tmp_path / LATEST).resolve(), tmp_path)
    assert said == f"stopped by Ctrl-C; go on with: python -m dnnx.train resume={folder} 'packages=[dying]'\n"
    assert wait_for_end(processes, 5) == []
    (tmp_path / "wait").unlink()
    assert typed("train", f"resume={LATEST}", TRUSTED, cwd=tmp_path) == (0, "")
    assert differences(whole, tmp_path / LATEST) == []


def test_a_pool_that_is_interrupted_before_its_foreman_is_ready_waits_for_nothing() -> None:
    pool = Pool()
    pool.start(Task("a", partial(int, "3")))
    pool.interrupt()
    pool.close()
    assert pool.process.returncode == -signal.SIGKILL, "it was not waited for"
    assert not pool.running


@pytest.mark.slow
def test_a_foreman_says_that_it_is_ready() -> None:
    with open_pool() as pool:
        assert pool.call(Task("a", partial(int, "3"))).value == 3
        assert pool.is_ready


def test_a_worker_that_cannot_be_started_is_said_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = multiprocessing.Pipe()
    foreman = Foreman(theirs)

    def full() -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("dnnx.studies.foreman._anonymous_file", full)
        foreman.start(Task("a", partial(int, "3")))
    kind, ended = ours.recv()
    assert (kind, ended.name, ended.exitcode) == ("ended", "a", None)
    assert failure(ended, "") == "a: no worker could be started: No space left on device"
    assert foreman.workers == {}


@pytest.mark.slow
def test_ctrl_c_at_the_start_of_a_study_says_the_folder_from_which_it_goes_on(whole: Path, tmp_path: Path) -> None:
    parent = start(tmp_path)
    while not (found := list(tmp_path.glob("outputs/bn_vs_plain/*/study.json"))):
        assert parent.poll() is None
        time.sleep(0.05)
    parent.send_signal(signal.SIGINT)
    _, said = parent.communicate(timeout=60)
    folder = os.path.relpath(found[0].parent, tmp_path)
    assert parent.returncode == 130
    assert said == f"stopped by Ctrl-C; go on with: python -m dnnx.train resume={folder} 'packages=[dying]'\n"
    assert typed("train", f"resume={folder}", TRUSTED, cwd=tmp_path) == (0, "")
    assert differences(whole, tmp_path / LATEST) == []


@pytest.mark.slow
def test_a_killed_foreman_is_said_and_leaves_no_process(tmp_path: Path) -> None:
    (tmp_path / "wait").touch()
    parent = start(tmp_path)
    foreman, *workers = wait_for_workers(tmp_path)
    os.kill(foreman, signal.SIGKILL)
    _, said = parent.communicate(timeout=60)
    assert parent.returncode == 2
    assert "error: the process that starts the workers was killed; go on with: python -m dnnx.train resume=" in said
    assert wait_for_end([foreman, *workers], 5) == []


@pytest.mark.slow
def test_a_second_user_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "wait").touch()
    parent = start(tmp_path)
    wait_for_workers(tmp_path)
    code, said = typed("train", f"resume={LATEST}", TRUSTED, cwd=tmp_path)
    parent.kill()
    parent.communicate()
    assert code == 2
    assert said.endswith("another process is writing there; wait until it has ended\n")
    assert said.count("\n") == 1
