"""A machine with Slurm trains as any other does, and says nothing about Slurm."""

from pathlib import Path

import pytest
from commands import SMOKE, command

ALLOCATION = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "study", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}


@pytest.fixture
def srun(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a `srun` that only fails on the PATH, as Lightning looks for one there."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "srun").write_text("#!/bin/sh\nexit 1\n")
    (folder / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


@pytest.mark.slow
@pytest.mark.usefixtures("srun")
@pytest.mark.parametrize("variables", [{}, ALLOCATION], ids=["login node", "allocation of four tasks"])
def test_a_run_warns_of_nothing_where_srun_is_installed(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = command("train", *SMOKE, "net.hidden=[8]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "srun" not in done.stdout + done.stderr
    assert "slurm" not in (done.stdout + done.stderr).lower()
