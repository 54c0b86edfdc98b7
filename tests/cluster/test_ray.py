"""A study on Ray has the bytes of one without it, also where a worker is killed."""

import os
import signal
import time
from pathlib import Path

import pytest
from studies_beside import STUDY, differences, end, start, study_in

pytest.importorskip("ray", reason="Ray is not installed: pip install 'dnnx[ray]'")
pytestmark = pytest.mark.slow


def workers(folder: Path) -> list[int]:
    """Return the processes of Ray that work for the command in `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == folder and b"ray::__call__" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the workers in /proc")
def test_a_killed_worker_is_replaced_and_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    code, said = end(start(tmp_path / "whole", *STUDY))
    assert code == 0, said
    command = start(tmp_path / "killed", *STUDY, "hydra/launcher=ray")
    while not (found := list((tmp_path / "killed").glob("outputs/bn_vs_plain/2*/*/metrics.csv"))):
        assert command.poll() is None, end(command)
        time.sleep(0.2)
    while len(found[0].read_text().splitlines()) < 20:
        time.sleep(0.2)
    victims = workers(tmp_path / "killed")
    assert victims
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    code, said = end(command)
    assert code == 0, said
    assert differences(study_in(tmp_path / "whole"), study_in(tmp_path / "killed")) == []
