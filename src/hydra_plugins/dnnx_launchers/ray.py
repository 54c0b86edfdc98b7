"""hydra/launcher=ray: each job of a study is a task of Ray, on this machine or on a cluster, retried when it dies."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn

from hydra_plugins.dnnx_launchers.away import Away, AwayLauncher, died, said


class RayLauncher(AwayLauncher):
    """Runs the jobs as tasks of Ray. One whose worker or machine dies is run again, from its checkpoint."""

    name, package, extra = "ray", "ray", "ray"

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        import ray

        jobs = self.jobs(job_overrides, initial_job_idx)
        own: dict[str, Any] = dict(self.parameters)
        ray.init(ignore_reinit_error=True, **own.pop("init"))
        try:
            run = ray.remote(**own)(Away.__call__)
            started = [run.remote(job) for job in jobs]
            return [self.wait(future, job) for future, job in zip(started, jobs, strict=True)]
        finally:
            ray.shutdown()

    def wait(self, future: Any, job: Away) -> JobReturn:
        """Wait for a job and return its end, or say that it died too often."""
        import ray

        try:
            return said(ray.get(future))
        except ray.exceptions.RayError as error:
            return died(f"{job.name}: {' '.join(str(error).split())[:300]}")
