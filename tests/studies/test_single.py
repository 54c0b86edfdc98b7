"""A single run with jobs=N: its seeds are shards in worker processes, with the bytes of shards made by hand."""

import os
import signal
from pathlib import Path

import pytest
from commands import SMOKE, compose, typed
from workers import DIES, DYING, TRUSTED, rows, start, wait_for_end, wait_for_workers

from dnnx import api
from dnnx.config import resume
from dnnx.studies.parts import lengths_of_chains, parts_of_run
from dnnx.studies.plan import Job
from dnnx.studies.single import train_beside
from dnnx.train import train

TINY = ["+exp=dense5", "data.source=digits", "net.hidden=[8]", "trainer.max_epochs=4", "trainer.accelerator=cpu",
        "callbacks.checkpoint.every_s=0", "seeds=6"]  # fmt: skip
LATEST = Path("outputs/dense5/latest")


def names(run: Path, *words: str, workers: int = 2) -> list[str]:
    parts = parts_of_run(compose(*SMOKE, "net.hidden=[4]", *words), words, [], run, print, workers)  # type: ignore[arg-type]
    return [part.task.name for part in parts]


def test_the_seeds_of_a_run_are_split_over_its_workers(tmp_path: Path) -> None:
    assert names(tmp_path, "seeds=10") == ["seeds 0-4", "seeds 5-9"]
    assert names(tmp_path, "seeds=[3,7]", workers=4) == ["seeds 3", "seeds 7"]
    assert names(tmp_path, "seeds=1") == []


def test_a_finished_run_splits_only_the_seeds_that_it_lacks(tmp_path: Path) -> None:
    train(compose(*SMOKE, "net.hidden=[4]", "trainer.max_epochs=1", "seeds=2"), tmp_path)
    assert names(tmp_path, "trainer.max_epochs=1", "seeds=2") == []
    assert names(tmp_path, "trainer.max_epochs=1", "seeds=6") == ["seeds 2-3", "seeds 4-5"]


def test_a_run_that_began_as_one_batch_goes_on_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = compose(*SMOKE, "net.hidden=[4]", "trainer.max_epochs=1", "seeds=2", "jobs=2")
    train(cfg, tmp_path)
    (tmp_path / "results.json").unlink()
    capsys.readouterr()
    assert train_beside([], [], tmp_path, print, cfg) is False  # type: ignore[arg-type]
    assert capsys.readouterr().out == "jobs=2: the seeds that are left are one job, so one process trains them\n"


@pytest.mark.parametrize("jobs", ["null", "1"])
def test_without_jobs_one_process_trains_all_seeds(jobs: str, tmp_path: Path) -> None:
    assert train_beside([], [], tmp_path, print, compose(*SMOKE, f"jobs={jobs}")) is False  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_longest_chain_of_jobs_begins_first() -> None:
    jobs = [Job("a", []), Job("b", []), Job("c", [], "b"), Job("d", [], "c"), Job("e", [], "x")]
    assert lengths_of_chains(jobs) == {"a": 0, "b": 2, "c": 1, "d": 0, "e": 0}
    circle = [Job("a", [], "b"), Job("b", [], "a")]
    assert set(lengths_of_chains(circle)) == {"a", "b"}, "it ends"


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the run whose two shards were typed, one after the other."""
    folder = tmp_path_factory.mktemp("by_hand")
    (folder / "dying.py").write_text(DYING)
    assert typed("train", *TINY, DIES, "shard=[0,1,2]", cwd=folder) == (0, "")
    assert typed("train", f"resume={LATEST}", "shard=[3,4,5]", TRUSTED, cwd=folder) == (0, "")
    return (folder / LATEST).resolve()


def require_same(one: Path, other: Path) -> None:
    for name in ("model.safetensors", "predictions.safetensors", "data.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert rows(one) == rows(other)
    assert sorted(path.name for path in (one / "shards").iterdir()) == ["0-2", "3-5"]


@pytest.mark.slow
def test_two_workers_leave_the_bytes_of_two_shards_made_by_hand(
    by_hand: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dying.py").write_text(DYING)
    assert typed("train", *TINY, DIES, "jobs=2", cwd=tmp_path) == (0, "")
    require_same((tmp_path / LATEST).resolve(), by_hand)
    said = capfd.readouterr().out
    for expected in ("seeds 0-2 starts", "seeds 3-5 starts", "(2 of 2", "6 seeds on", "run folder: outputs"):
        assert expected in said
    assert said.count("test/accuracy") == 1, "one table, of all seeds"


@pytest.mark.slow
def test_ctrl_c_and_a_killed_worker_are_gone_on_from_to_the_same_bytes(by_hand: Path, tmp_path: Path) -> None:
    (tmp_path / "wait").touch()
    parent = start(tmp_path, *TINY, DIES, "jobs=2")
    processes = wait_for_workers(tmp_path, ["0-2", "3-5"])
    parent.send_signal(signal.SIGINT)
    _, said = parent.communicate(timeout=60)
    assert parent.returncode == 130
    run = (tmp_path / LATEST).resolve()
    folder = os.path.relpath(run, tmp_path)
    assert said == f"stopped by Ctrl-C; go on with: python -m dnnx.train resume={folder} 'packages=[dying]'\n"
    assert wait_for_end(processes, 5) == []
    (tmp_path / "wait").unlink()
    (tmp_path / "die-0-2").touch()
    code, said = typed("train", f"resume={LATEST}", TRUSTED, cwd=tmp_path)
    assert code == 2
    assert "error: seeds 0-2 died: its process was ended by SIGKILL; go on with: python -m dnnx.train resume=" in said
    trained = (run / "shards/3-5/results.json").stat().st_mtime_ns
    assert typed("train", f"resume={LATEST}", TRUSTED, cwd=tmp_path) == (0, "")
    require_same(run, by_hand)
    assert (run / "shards/3-5/results.json").stat().st_mtime_ns == trained


@pytest.mark.slow
def test_a_run_that_began_without_jobs_goes_on_with_them_and_refuses_another_command(tmp_path: Path) -> None:
    """The worker of the seeds in the run's own folder writes there while its command holds the folder's lock."""
    (tmp_path / "dying.py").write_text(DYING)
    assert typed("train", *TINY[:-1], DIES, "seeds=2", "trainer.max_epochs=2", cwd=tmp_path) == (0, "")
    run = (tmp_path / LATEST).resolve()
    (tmp_path / "wait").touch()
    words = [f"resume={LATEST}", "seeds=4", "trainer.max_epochs=4", "jobs=2", TRUSTED]
    parent = start(tmp_path, *words)
    wait_for_workers(tmp_path, [run.name])
    code, said = typed("train", *words, cwd=tmp_path)
    assert code == 2
    assert "another process is writing there" in said
    parent.send_signal(signal.SIGINT)
    parent.communicate(timeout=60)
    (tmp_path / "wait").unlink()
    assert typed("train", *words, cwd=tmp_path) == (0, "")
    assert resume.load_results(run)["seeds"] == [0, 1, 2, 3]


@pytest.mark.slow
def test_python_takes_jobs_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = api.fit("dense5", "mnist", seeds=4, jobs=2, overrides=["data.source=digits", "net.hidden=[4]",
                                                                 "trainer.max_epochs=1"])  # fmt: skip
    assert run.seeds == [0, 1, 2, 3]
    assert len(list((run.folder / "shards").iterdir())) == 2
