"""A password that was typed stands in the jobs that wait for Slurm: nobody else reads them, and none is left."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.dnnx_launchers import slurm
from hydra_plugins.dnnx_launchers.slurm import SlurmLauncher

pytest.importorskip("submitit", reason="submitit is not installed: pip install 'dnnx[launchers]'")

PASSWORD = "correct-horse"
SBATCH = "#!/bin/sh\necho Submitted batch job 12\n"


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmLauncher:
    """A launcher beside programs that take jobs as Slurm does, and run none."""
    for name in ("srun", "sbatch", "squeue"):
        (tmp_path / "bin" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(SBATCH)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    made = SlurmLauncher(submitit_folder=f"{tmp_path}/study/.submitit/%j", max_num_timeout=1, name="x")
    config = {"hydra": {"sweep": {"dir": str(tmp_path / "study")}}, "storage": f"postgresql://ann:{PASSWORD}@host/db"}
    made.context, made.task = SimpleNamespace(), print  # type: ignore[assignment]
    made.config = OmegaConf.create(config)
    return made


def pickles(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.pkl") if PASSWORD.encode() in path.read_bytes()]


@pytest.mark.parametrize("num", [1, 2])
def test_the_jobs_are_for_their_user_alone_and_are_removed_when_all_have_ended(
    num: int, launcher: SlurmLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def wait(there: object, job: object) -> JobReturn:
        seen.append((len(pickles(tmp_path)), (tmp_path / "study/.submitit").stat().st_mode & 0o777))
        return JobReturn()

    monkeypatch.setattr(slurm, "wait", wait)
    launcher.launch([[f"seeds={i}"] for i in range(num)], 0)
    assert seen == [(num, 0o700)] * num
    assert pickles(tmp_path) == []
    assert (tmp_path / "study").stat().st_mode & 0o077  # a study itself is for everybody


def test_a_folder_that_was_there_keeps_its_permissions(launcher: SlurmLauncher, tmp_path: Path) -> None:
    (tmp_path / "study/.submitit").mkdir(parents=True, mode=0o755)
    launcher.submit(launcher.jobs([["seeds=1"]], 0))
    assert (tmp_path / "study/.submitit").stat().st_mode & 0o777 == 0o755


def test_a_variable_is_named_and_its_value_is_not_written(
    launcher: SlurmLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB", f"postgresql://ann:{PASSWORD}@host/db")
    launcher.config = DictConfig({**launcher.config, "storage": "${oc.env:DB}"})
    launcher.submit(launcher.jobs([["seeds=1"]], 0))
    assert list(tmp_path.rglob("*_submitted.pkl"))
    assert pickles(tmp_path) == []
