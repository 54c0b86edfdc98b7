"""hydra/launcher=slurm: each job of a study is a job of Slurm, submitted by submitit and watched with squeue."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn

from dnnx.basics.errors import UserError
from dnnx.basics.signals import Stopped
from hydra_plugins.dnnx_launchers.away import Away, AwayLauncher, died, said

POLL_S = 2.0  # between two looks at the queue
LATE_S = 10.0  # that a shared file system may need to show the result of a job that has ended
SHARED = {"nodes", "tasks_per_node", "timeout_min", "cpus_per_task", "gpus_per_node", "mem_gb", "name"}
ALIVE = {
    "PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING",
    "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD",
}  # fmt: skip


class SlurmLauncher(AwayLauncher):
    """Submits the jobs as one array, and waits for all of them.

    A job that is preempted, requeued or out of time runs again, from its checkpoint; submitit sees to the last two.
    Without accounting a cluster has no `sacct`, on which submitit waits; every cluster has `squeue`.
    """

    name, package, extra = "slurm", "submitit", "launchers"

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        jobs = self.jobs(job_overrides, initial_job_idx)
        submitted = self.submit(jobs)
        number = submitted[0].job_id.partition("_")[0]
        print(
            f"Slurm job {number}: {', '.join(job.name for job in jobs)}; logs in {submitted[0].paths.folder}",
            flush=True,
        )
        try:
            ended = [wait(there, job) for there, job in zip(submitted, jobs, strict=True)]
        except Stopped:
            print(f"Slurm job {number} goes on without this command; scancel {number} ends it", file=sys.stderr)
            raise
        forget(submitted)
        return ended

    def submit(self, jobs: Sequence[Away]) -> list[Any]:
        """Return submitit's jobs."""
        import submitit

        own = dict(self.parameters)
        folder, retries = own.pop("submitit_folder"), own.pop("max_num_timeout")
        try:
            executor = submitit.AutoExecutor(folder=folder, cluster="slurm", slurm_max_num_timeout=retries)
        except RuntimeError as error:
            raise UserError(f"hydra/launcher=slurm: {' '.join(str(error).split())}") from None
        make_private(folder)
        executor.update_parameters(**{key if key in SHARED else f"slurm_{key}": own[key] for key in own})
        try:
            with executor.batch():
                return [executor.submit(job) for job in jobs]
        except submitit.core.utils.FailedJobError as error:
            raise UserError(f"hydra/launcher=slurm: {' '.join(str(error).split())}") from None


def wait(there: Any, job: Away) -> JobReturn:
    """Wait until a job has a result, or has ended without one; return it, or say so."""
    result, log = Path(there.paths.result_pickle), there.paths.stderr
    while not result.exists():
        state = state_of(there.job_id)
        if state in ALIVE:
            time.sleep(POLL_S)
            continue
        ended = time.monotonic()
        while not result.exists() and time.monotonic() - ended < LATE_S:
            time.sleep(POLL_S / 10)
        if not result.exists():
            return died(f"{job.name}: Slurm job {there.job_id} ended without a result ({state}); its log is {log}")
    error = there.exception()
    if error is not None:
        told = str(error).strip().splitlines()[-1]
        return died(f"{job.name}: Slurm job {there.job_id} failed: {told}; its log is {log}")
    return said(there.result())


def make_private(folder: str) -> None:
    """Make the folder of submitit for this user alone, if it is new: its pickles hold the words that were typed."""
    from submitit.core.utils import JobPaths

    root = JobPaths.get_first_id_independent_folder(folder)
    if not root.exists():
        root.mkdir(mode=0o700, parents=True)


def forget(submitted: Sequence[Any]) -> None:
    """Remove the pickles of jobs that have ended, which nobody reads again; their logs stay."""
    for there in submitted:
        for path in (there.paths.submitted_pickle, there.paths.result_pickle):
            Path(path).unlink(missing_ok=True)


def state_of(job_id: str) -> str:
    """Return the state of a job in Slurm's words; of one that Slurm has forgotten, "forgotten"."""
    command = ["squeue", "--noheader", "--array", "--states=all", "--format=%T", f"--jobs={job_id}"]
    asked = subprocess.run(command, capture_output=True, text=True)
    if asked.returncode and "Invalid job id" not in asked.stderr:
        return "PENDING"  # the controller does not answer for now
    return (asked.stdout.split() or ["forgotten"])[0]
