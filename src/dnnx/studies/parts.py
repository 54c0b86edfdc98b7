"""The tasks that a study gives to its workers: the jobs of its plan, split into shards where workers would be idle."""

import itertools
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dnnx.basics.errors import UserError
from dnnx.config import resume
from dnnx.config.run_shards import find, is_done
from dnnx.config.seeds import parse_seeds
from dnnx.runs.shard_files import name_of
from dnnx.studies.foreman import Task
from dnnx.studies.plan import Job, Plan
from dnnx.studies.schedule import Part
from dnnx.studies.workers import threads_of

Work = Callable[..., str | None]  # dnnx.train.run_words(words, config_dirs, folder, study)
Shard = Sequence[int] | None  # seeds; None: the whole run, as one batched network
MIN_SEEDS = 3  # of a shard while all workers are busy; a step of fewer seeds costs nearly as much


def make_parts(plan: Plan, composed: Sequence[DictConfig], work: Work, workers: int) -> list[Part]:
    """Return the tasks of a plan, those first that most others wait for; `composed` are the configs of its jobs."""
    runs = [plan.folder / job.name for job in plan.jobs]
    shards = [shards_of(config, run, len(runs), workers) for run, config in zip(runs, composed, strict=True)]
    threads, rounds = threads_of(min(workers, sum(map(len, shards)))), []
    for job, run, config, own in zip(plan.jobs, runs, composed, shards, strict=True):
        train = partial(work, config_dirs=plan.declared["config_dir"], folder=run, study=plan.folder)
        data = None if own == [None] and (run / "results.json").exists() else data_of(config)
        is_done = own == [None] and is_finished(config, run)
        rounds.append(parts_of(job, own, train, threads, data, is_done))
    parts = [*itertools.chain(*rounds)]
    if any("lr_search" in config for config in composed):  # all shards of a run wait for its one search
        parts = [part for one in itertools.zip_longest(*rounds) for part in one if part is not None]
    chains = lengths_of_chains(plan.jobs)
    return sorted(parts, key=lambda part: -chains[part.job])


def parts_of(
    job: Job,
    shards: Sequence[Shard],
    train: Callable[..., str | None],
    threads: int,
    data: dict[str, Any] | None,
    is_done: bool = False,
) -> list[Part]:
    """Return the tasks of a job, one for each shard; each calls `train` with the overrides of its shard."""
    parts = []
    for shard in shards:
        words = job.overrides if shard is None else [*job.overrides, f"shard={list(shard)}".replace(" ", "")]
        name = job.name if shard is None else f"{job.name} seeds {name_of(shard)}".strip()
        parts.append(Part(Task(name, partial(train, words), threads, data), job.name, job.after, is_done))
    return parts


def parts_of_run(
    config: DictConfig, words: Sequence[str], config_dirs: Sequence[str], run: Path, work: Work, workers: int
) -> list[Part]:
    """Return the tasks of a single run of these overrides, one for each shard; [] if its seeds are one job."""
    shards = shards_of(config, run, 1, workers)
    if len(shards) == 1:
        return []
    train = partial(work, config_dirs=config_dirs, folder=run, study=run)
    return parts_of(Job("", list(words)), shards, train, threads_of(min(workers, len(shards))), data_of(config))


def is_finished(config: DictConfig, run: Path) -> bool:
    """Return whether a run has results of all its seeds and epochs, so that its job trains nothing."""
    with suppress(UserError, OSError):
        return resume.finished(config, run) and set(parse_seeds(config.seeds)) <= set(resume.load_results(run)["seeds"])
    return False


def lengths_of_chains(jobs: Sequence[Job]) -> dict[str, int]:
    """Return for each job the number of jobs in the longest chain that waits for it; the longest begins first."""
    found = {job.name: 0 for job in jobs}
    for _ in jobs:
        for job in (job for job in jobs if job.after in found):
            assert job.after is not None
            found[job.after] = min(len(jobs), max(found[job.after], found[job.name] + 1))
    return found


def shards_of(config: DictConfig, run: Path, num_runs: int, workers: int) -> list[Shard]:
    """Return the shards in which a run is to be trained: those that have begun, and the other seeds, split.

    A run whose own folder holds its checkpoints is trained on there, as one batched network; only seeds that it lacks
    are split.
    """
    if config.get("shard") is not None or "baseline" in config:
        return [None]
    try:
        seeds, found = parse_seeds(config.seeds), find(config, run)
    except (UserError, OSError):
        return [None]  # the job will say what is wrong
    begun = [shard.seeds for shard in found if not is_done(config, shard)]
    there = {seed for shard in found for seed in shard.seeds}
    new = [seed for seed in seeds if seed not in there]
    shards: list[Shard] = [*begun, *split(new, count_shards(len(new), num_runs, workers))]
    return shards if len(shards) > 1 or (new and there) else [None]


def count_shards(num_seeds: int, num_runs: int, workers: int) -> int:
    """Return the number of shards for the seeds of each of so many runs: about two for each worker, at most.

    If possible, all workers get equally many.
    """
    if num_runs >= 2 * workers:
        return min(1, num_seeds)
    most = min(num_seeds, max(num_seeds // MIN_SEEDS, math.ceil(workers / num_runs)))
    wanted = min(most, math.ceil(2 * workers / num_runs))
    return next((count for count in range(wanted, 0, -1) if count * num_runs % workers == 0), wanted)


def split(seeds: Sequence[int], count: int) -> list[Sequence[int]]:
    """Return the seeds in so many parts of equal size, give or take one."""
    ends = [len(seeds) * i // count for i in range(count + 1)] if count else []
    return [seeds[start:end] for start, end in itertools.pairwise(ends)]


def data_of(config: DictConfig) -> dict[str, Any] | None:
    """Return the config of the data that a run reads, None if it cannot be resolved."""
    with suppress(OmegaConfBaseException):
        data: Any = OmegaConf.to_container(config.data, resolve=True)
        return data if isinstance(data, dict) else None
    return None
