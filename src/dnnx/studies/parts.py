"""The tasks that a study gives to its workers."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dnnx.studies.foreman import Task
from dnnx.studies.plan import Plan
from dnnx.studies.schedule import Part
from dnnx.studies.workers import threads_of

Work = Callable[[Sequence[str], Sequence[str], Path, Path], str | None]  # dnnx.train.run_words


def make_parts(plan: Plan, composed: Sequence[DictConfig], work: Work, workers: int) -> list[Part]:
    """Return a task for each job of a plan; `composed` are their configs."""
    threads, parts = threads_of(min(workers, len(plan.jobs))), []
    for job, config in zip(plan.jobs, composed, strict=True):
        folder = plan.folder / job.name
        function = partial(work, job.overrides, plan.declared["config_dir"], folder, plan.folder)
        data = None if (folder / "results.json").exists() else _data_of(config)
        parts.append(Part(Task(job.name, function, threads, data), job.name, job.after))
    return parts


def _data_of(config: DictConfig) -> dict[str, Any] | None:
    with suppress(OmegaConfBaseException):
        data: Any = OmegaConf.to_container(config.data, resolve=True)
        return data if isinstance(data, dict) else None
    return None
