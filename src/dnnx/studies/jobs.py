"""The jobs of a study: trained by workers or through a launcher; those that fail are told at the end with the cause."""

import gc
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hydra.core.utils import JobReturn
from omegaconf import DictConfig

from dnnx.basics.console import console
from dnnx.basics.typed import hide
from dnnx.config.app import FAILURES, fail, to_stderr
from dnnx.config.own_lines import described
from dnnx.studies.groups import Merge, after_groups, groups_of
from dnnx.studies.parts import Work, make_parts
from dnnx.studies.plan import Job, Plan, compose_jobs
from dnnx.studies.pool import Pool
from dnnx.studies.schedule import run_parts
from dnnx.studies.workers import gpus_of

Jobs = Sequence[Sequence[str]]  # each a list of overrides


@dataclass(frozen=True)
class Runner:
    """How jobs are run: `check` composes them all, `launch(jobs, first)` runs them, numbered from `first`.

    `work` runs one job in a worker, and `merge` trains several as one network. Without them a launcher that was typed
    decides where jobs run.
    """

    check: Callable[[Jobs], list[DictConfig]]
    launch: Callable[[Jobs, int], Sequence[JobReturn]]
    work: Work | None = None
    merge: Merge | None = None


@dataclass
class Training:
    """The training of the jobs of a study; `kinds` are those of dnnx.training.mergeable, by job.

    `failed` has the cause of each job that failed, by its name.
    """

    config: DictConfig
    runner: Runner
    workers: int
    advice: str
    pool: Pool | None
    kinds: Mapping[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def train(self, plan: Plan, composed: Sequence[DictConfig] | None = None) -> None:
        """Train the jobs of a plan in the pool, or one after the other; `composed` are their configs, if known."""
        merge = self.runner.merge
        groups = groups_of(plan, self.kinds, self.workers, merge) if merge is not None else []
        if self.pool is None or self.runner.work is None:
            for group in groups:
                console.rule(f"{self.config.name}: {group.name}", align="left")
                group.train()
                gc.collect()
            self.in_waves(plan)
            return
        configs = composed or compose_jobs(plan.jobs, self.runner.check)
        parts = after_groups(make_parts(plan, configs, self.runner.work, self.workers), groups)
        self.pool.prepare("dnnx.reports.report")
        gpus = gpus_of(str(self.config.trainer.get("accelerator")))
        self.failed |= run_parts(self.config.name, parts, self.workers, self.advice, gpus, self.pool)

    def in_waves(self, plan: Plan) -> None:
        """Run all jobs in waves, and note the failures of jobs in other processes."""
        started, done = time.monotonic(), 0
        for wave in waves(plan.jobs, side_by_side=self.runner.work is None):
            left = (time.monotonic() - started) / done * (len(plan.jobs) - done) if done else None
            about = f", about {left / 60:.1f} min left" if left else ""
            names = ", ".join(job.name for job in wave)
            count = f"{done + 1} of {len(plan.jobs)}" if len(wave) == 1 else f"{len(wave)} of {len(plan.jobs)}"
            console.rule(f"{self.config.name}: {names} ({count}{about})", align="left")
            ends = self.runner.launch([job.overrides for job in wave], done)
            for job, ended in zip(wave, ends, strict=False):
                if (message := noted_failure(ended)) is not None:
                    self.failed[job.name] = message
            done += len(wave)
            gc.collect()  # trainer and module hold each other, and with them the data of every arm that is done


def waves(jobs: Sequence[Job], side_by_side: bool) -> Iterator[list[Job]]:
    """Yield the jobs that may run at once: one alone, or all whose backbone is trained."""
    left = list(jobs)
    while left:
        waiting = {job.name for job in left}
        ready = [job for job in left if job.after not in waiting] if side_by_side else left[:1]
        wave = ready or left
        left = [job for job in left if job not in wave]
        yield wave


def noted_failure(ended: JobReturn) -> str | None:
    """Note the failure of a job, and return its cause; None if it ended well.

    A user's mistake was printed by the job; the traceback of a bug is printed here.
    """
    try:
        message = ended.return_value
    except Exception as error:
        traceback.print_exc()
        message = described(error)
    if message is not None and message not in FAILURES:
        FAILURES.append(str(message))
    return None if message is None else str(message)


def tell_failed(plan: Plan, failed: Mapping[str, str], advice: str) -> None:
    """Print, as the last lines of a study, each job without results in one line with its cause, and how to go on."""
    lost = [name for name in plan.names if name in failed or not (plan.folder / name / "results.json").exists()]
    for name in lost:
        cause = failed.get(name, "it left no results").removesuffix(f"; {advice}").replace("\n  ", "; ")
        to_stderr(hide(f"{name} failed: {' '.join(cause.split())}"))
    if lost:
        told = f"{len(lost)} of {len(plan.names)} arms failed, {', '.join(lost)}"
        fail(f"{plan.declared['name']} is not complete: {told}; mend the cause, then {advice}")
