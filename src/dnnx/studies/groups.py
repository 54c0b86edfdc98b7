"""Which arms of a plan train as one network, and the tasks that do so before the arms' own jobs. Imports no torch."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dnnx.studies.foreman import Task
from dnnx.studies.plan import Job, Plan
from dnnx.studies.schedule import Part

Merge = Callable[..., None]  # dnnx.studies.train_merged.train_merged(words of each folder, config_dirs, study)
MIN_ARMS, MAX_ARMS = 3, 10  # of a network: two gain too little, and more of them leave the caches
OF_ONE_RUN = (
    "time/",
    "memory/",
    "convergence/seconds",
)  # metrics that arms which train as one network do not have for themselves


@dataclass(frozen=True)
class Group:
    """Jobs whose runs train as one network by `train`; each of them then tests its own run."""

    jobs: Sequence[Job]
    train: Callable[[], None]

    @property
    def name(self) -> str:
        return f"{self.jobs[0].name} and {len(self.jobs) - 1} more"


def groups_of(plan: Plan, kinds: Mapping[str, str], workers: int, merge: Merge) -> list[Group]:
    """Return the groups of jobs that train as one network: new ones of one kind, a group or more for each worker.

    With fewer than MIN_ARMS jobs for each worker, and where a claim is about seconds or memory, there are none.
    """
    measured = [str(one.get(key)) for one in plan.declared["verdicts"] for key in ("metric", "than_metric")]
    if len(plan.jobs) < MIN_ARMS * workers or any(name.startswith(OF_ONE_RUN) for name in measured):
        return []
    alike: dict[str, list[Job]] = defaultdict(list)
    for job in plan.jobs:
        if kinds.get(job.name) and job.after is None and not (plan.folder / job.name / "config.yaml").exists():
            alike[kinds[job.name]].append(job)
    split = []
    for jobs in alike.values():
        busy = min(math.ceil(workers / len(alike)), len(jobs) // MIN_ARMS)
        count = max(1, busy, math.ceil(len(jobs) / MAX_ARMS))
        split += [jobs[len(jobs) * i // count : len(jobs) * (i + 1) // count] for i in range(count)]
    dirs = plan.declared["config_dir"]
    folders = [{Path(plan.folder, job.name): job.overrides for job in jobs} for jobs in split]
    trains = [partial(merge, words, dirs, plan.folder) for words in folders]
    return [Group(jobs, train) for jobs, train in zip(split, trains, strict=True) if len(jobs) >= MIN_ARMS]


def after_groups(parts: Sequence[Part], groups: Sequence[Group]) -> list[Part]:
    """Return the parts of the groups, then all parts; a job of a group waits for it."""
    of_job, first, waits = {part.job: part.task for part in parts}, list[Part](), dict[str, str]()
    for group in groups:
        own = of_job[group.jobs[0].name]
        first.append(Part(Task(group.name, group.train, own.threads, own.data), group.name, may_fail=True))
        waits |= {job.name: group.name for job in group.jobs}
    return [*first, *(_behind(part, waits[part.job]) if part.job in waits else part for part in parts)]


def _behind(part: Part, group: str) -> Part:
    """Return a part that waits for its group, and then only tests what that has trained."""
    return replace(part, after=group, is_finished=True)
