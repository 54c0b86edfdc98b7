"""A real Slurm: a study on it has the bytes of one without it, whatever becomes of its jobs. `make slurm` runs this."""

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from studies_beside import STUDY, differences, end, start, study_in
from torture.tries import ALL

DAEMONS = Path(__file__).with_name("slurm.sh")
SEED = int(os.environ.get("DNNX_TORTURE_SEED", "0"))
DEATHS = 20 if ALL else 3  # studies that are disturbed in each way
ON_SLURM = ("hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=2")

pytestmark = pytest.mark.skipif("DNNX_SLURM" not in os.environ, reason="starts a Slurm here: type make slurm")


@pytest.fixture(scope="module", autouse=True)
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Start one node, and stop it; skip by the reason where there can be none."""
    folder = tmp_path_factory.mktemp("slurm")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    started = subprocess.run([str(DAEMONS), "start", str(folder)], capture_output=True, text=True)
    if started.returncode == 77:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
        subprocess.run(["scancel", "--signal=KILL", "--full", "--user=root"], check=False)
        subprocess.run([str(DAEMONS), "stop", str(folder)], check=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study without Slurm, which nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    code, said = end(start(folder, *STUDY))
    assert code == 0, said
    return study_in(folder)


def job_of(process: subprocess.Popen[str]) -> str:
    """Return the number of the job that a command says it submitted."""
    assert process.stdout
    for line in process.stdout:
        if match := re.match(r"Slurm job (\d+):", line):
            return match[1]
    raise AssertionError(process.communicate()[1])


def when_running(job: str, seconds: float) -> None:
    """Wait so long after a job has begun."""
    while "RUNNING" not in asked("squeue", "--noheader", "--format=%T", f"--jobs={job}"):
        time.sleep(0.2)
    time.sleep(seconds)


def when_in_epoch(folder: Path, arm: str, epoch: int) -> None:
    """Wait until an arm has ended an epoch. Before the first, submitit has no handler, and a warning kills the job."""
    while True:
        for path in folder.glob(f"outputs/bn_vs_plain/2*/{arm}/metrics.csv"):
            if re.search(rf"^{epoch},", path.read_text(), re.MULTILINE):
                return
        time.sleep(0.02)


def asked(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


def requeue(job: str) -> None:
    asked("scontrol", "requeue", job)


def warn(job: str) -> None:
    """Send the signal that Slurm sends before a time limit and, where it is set up so, before a preemption."""
    asked("scancel", "--signal=USR2", job)


def kill(job: str) -> None:
    """Kill every process of a job at once. `scancel --signal=KILL` sends SIGTERM first, and waits."""
    array, _, task = job.partition("_")
    names = {f"SLURM_ARRAY_JOB_ID={array}".encode(), f"SLURM_ARRAY_TASK_ID={task}".encode()}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if names <= set((process / "environ").read_bytes().split(b"\0")):
                os.kill(int(process.name), signal.SIGKILL)


def cancel(job: str) -> None:
    asked("scancel", job)


def test_a_study_on_slurm_has_the_bytes_of_one_without(whole: Path, tmp_path: Path) -> None:
    code, said = end(start(tmp_path, *STUDY, *ON_SLURM))
    assert code == 0, said
    assert differences(whole, study_in(tmp_path)) == []
    assert (study_in(tmp_path) / "report.html").exists()


@pytest.mark.parametrize("number", range(DEATHS))
@pytest.mark.parametrize("disturb", [requeue, warn])
def test_a_job_that_slurm_queues_again_goes_on(
    disturb: Callable[[str], None], number: int, whole: Path, tmp_path: Path
) -> None:
    draw = random.Random(f"{SEED} {disturb.__name__} {number}")
    command = start(tmp_path, *STUDY, *ON_SLURM)
    job = job_of(command)
    for place, arm in enumerate(("plain", "bn")):
        if disturb is warn:
            when_in_epoch(tmp_path, arm, draw.randint(1, 50))
        else:
            when_running(f"{job}_{place}", draw.uniform(0, 10))
        disturb(f"{job}_{place}")
    code, said = end(command)
    assert code == 0, said
    assert differences(whole, study_in(tmp_path)) == []


@pytest.mark.parametrize("number", range(DEATHS))
@pytest.mark.parametrize("disturb", [kill, cancel])
def test_a_job_that_is_killed_is_named_and_resumed(
    disturb: Callable[[str], None], number: int, whole: Path, tmp_path: Path
) -> None:
    draw = random.Random(f"{SEED} {disturb.__name__} {number}")
    command = start(tmp_path, *STUDY, *ON_SLURM)
    job = job_of(command)
    when_in_epoch(tmp_path, "bn", draw.randint(1, 50))
    disturb(f"{job}_1")
    code, said = end(command)
    study = next((tmp_path / "outputs/bn_vs_plain").glob("2*"))
    if code != 0 or disturb is not cancel:  # Slurm's KillWait may be enough to finish
        assert code == 2, said
        assert f"bn: Slurm job {job}_1 ended without a result" in said
        code, said = end(start(tmp_path, f"resume={study.relative_to(tmp_path)}", *ON_SLURM))
    assert code == 0, said
    assert differences(whole, study) == []


def test_a_job_that_is_out_of_time_takes_several_turns(tmp_path: Path) -> None:
    """Slurm's shortest limit is a minute, and its warning comes 30 to 60 seconds before."""
    long = [*STUDY, "arm=bn", "trainer.max_epochs=400", "callbacks.early_stopping.patience=400"]
    limit = ["hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=30"]
    code, said = end(start(tmp_path, *long, *ON_SLURM, *limit))
    assert code == 0, said
    study = study_in(tmp_path)
    log = "".join(path.read_text() for path in study.glob(".submitit/*/*.out"))
    assert log.count("Starting with JobEnvironment") > 1, "one turn was enough"
    shown = [int(epoch) for epoch in re.findall(r"^epoch (\d+)/400", log, re.MULTILINE)]
    assert shown == list(range(1, 401)), "an epoch is trained twice, or not at all"


def test_a_command_that_ends_leaves_its_jobs_to_slurm(whole: Path, tmp_path: Path) -> None:
    command = start(tmp_path, *STUDY, *ON_SLURM)
    job = job_of(command)
    when_running(f"{job}_0", 0)
    command.terminate()
    code, said = end(command)
    assert code == 143
    assert f"Slurm job {job} goes on without this command; scancel {job} ends it" in said
    while asked("squeue", "--noheader", f"--jobs={job}"):
        time.sleep(1)
    study = study_in(tmp_path)
    trained = [(study / arm / "results.json").stat().st_mtime_ns for arm in ("plain", "bn")]
    code, said = end(start(tmp_path, "resume=outputs/bn_vs_plain/latest"))
    assert code == 0, said
    assert differences(whole, study) == []
    assert trained == [(study / arm / "results.json").stat().st_mtime_ns for arm in ("plain", "bn")]
