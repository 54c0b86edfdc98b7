"""How many workers a study uses: what is typed, else one per core, as far as memory lasts."""

from pathlib import Path

import pytest
from commands import typed

from dnnx.basics import machine
from dnnx.basics.errors import UserError
from dnnx.config.check import check_jobs
from dnnx.studies.workers import WORKER_MB, count_workers, threads_of


@pytest.fixture
def big(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Stand for a machine of 8 cores with memory for 4 workers."""
    monkeypatch.setattr(machine, "count_cores", lambda: 8)
    monkeypatch.setattr(machine, "available_memory", lambda: 4 * WORKER_MB * 2**20 + 1)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return monkeypatch


def test_memory_bounds_the_workers_and_says_so(big: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert count_workers(3, "cpu") == 3
    assert capsys.readouterr().out == ""
    assert count_workers(None, "cpu") == 4
    assert capsys.readouterr().out == "jobs=4, not 8: 2.0 GB of memory are free and a worker takes about 0.5 GB\n"
    big.setattr(machine, "available_memory", lambda: 10)
    assert count_workers(100, "cpu") == 1
    big.setattr(machine, "available_memory", lambda: None)
    assert count_workers(None, "cpu") == 8


def test_jobs_share_the_cores_and_a_typed_number_of_threads_is_kept(big: pytest.MonkeyPatch) -> None:
    assert [threads_of(workers) for workers in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]
    big.setenv("OMP_NUM_THREADS", "2")
    assert [threads_of(workers) for workers in (1, 8)] == [2, 1]


@pytest.mark.parametrize("wrong", [0, -1, "two", 1.5, True])
def test_jobs_is_a_number_of_workers(wrong: object) -> None:
    with pytest.raises(UserError, match=f"^jobs={wrong}: null for one worker per core, or a number of workers"):
        check_jobs(wrong)


@pytest.mark.parametrize("study", [["+exp=bn_vs_plain"], ["-m", "+exp=dense5", "net.dropout=0,0.1"], ["+exp=dense5"]])
def test_a_wrong_number_of_jobs_is_one_line_and_leaves_nothing(study: list[str], tmp_path: Path) -> None:
    code, said = typed("train", *study, "data.source=digits", "jobs=0", cwd=tmp_path)
    assert code == 2
    assert said.startswith("error: jobs=0: null for one worker per core, or a number of workers; jobs=1 trains")
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_jobs_beside_a_launcher_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    code, said = typed("train", "+exp=bn_vs_plain", "hydra/launcher=processes", "jobs=2", cwd=tmp_path)
    assert (code, said) == (2, "error: jobs=2: a launcher that is typed starts the jobs; leave out one of the two\n")
    assert not list(tmp_path.iterdir())
