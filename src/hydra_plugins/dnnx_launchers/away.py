"""A Hydra job for another process, perhaps on another machine: it can be pickled, and run again after a death."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from dnnx.basics.errors import require_installed
from dnnx.basics.typed import restore, typed_command
from dnnx.config.app import fail


@dataclass
class Away:
    """One job: call it to run it. A second call goes on from the checkpoint in the job's folder."""

    context: HydraContext
    task: TaskFunction
    config: DictConfig
    overrides: list[str]
    number: int
    singletons: Any = field(default_factory=Singleton.get_state)
    here: str = field(default_factory=os.getcwd)
    argv: list[str] = field(default_factory=lambda: list(sys.argv))
    typed: str | None = field(default_factory=typed_command)

    def __call__(self) -> JobReturn:
        os.chdir(self.here)
        sys.argv = list(self.argv)
        restore(self.typed)
        Singleton.set_state(self.singletons)
        setup_globals()
        config: Any = self.context.config_loader.load_sweep_config(self.config, self.overrides)
        job: Any = config.hydra.job
        with open_dict(job):
            job.id, job.num = f"{job.name}_{self.number}", self.number
        return run_job(self.task, config, "hydra.sweep.dir", "hydra.sweep.subdir", self.context)

    @property
    def name(self) -> str:
        """The name for messages: the job's folder in that of the study, or what is swept."""
        own = [word for word in self.overrides if word.startswith("hydra.sweep.subdir=")]
        words = [word for word in self.overrides if not word.startswith("hydra.")]
        return own[0].partition("=")[2].strip("'") if own else " ".join(words)

    def checkpoint(self) -> Any:
        """Return the job as submitit shall submit it again, before a time limit or after a preemption."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class AwayLauncher(Launcher):
    """A launcher of jobs that run away; `package` is imported by no other, and belongs to `extra` of dnnx."""

    name, package, extra = "", "", ""

    def __init__(self, **parameters: Any):
        self.parameters: dict[str, Any] = {
            key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for key, value in parameters.items()
        }

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        require_installed(self.package, f"hydra/launcher={self.name}", self.extra)
        self.context, self.task, self.config = hydra_context, task_function, config

    def jobs(self, overrides: Sequence[Sequence[str]], first: int) -> list[Away]:
        """Return the jobs, numbered from `first`."""
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        return [
            Away(self.context, self.task, self.config, list(words), first + place)
            for place, words in enumerate(overrides)
        ]


def said(ended: JobReturn) -> JobReturn:
    """Say here at what a job failed there, and return it."""
    if ended.status == JobStatus.COMPLETED and ended.return_value is not None:
        fail(str(ended.return_value))
    return ended


def died(why: str) -> JobReturn:
    """Return what is left of a job that was killed, and say `why`."""
    ended = JobReturn()
    ended.status = JobStatus.COMPLETED
    ended.return_value = fail(why)
    return ended
