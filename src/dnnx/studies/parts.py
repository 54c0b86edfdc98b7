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
from dnnx.config.seeds import parse_seeds
from dnnx.config.shards import find, is_done
from dnnx.config.trust import check_run
from dnnx.runs.shards import FOLDER, name_of
from dnnx.studies.foreman import Task
from dnnx.studies.plan import Plan
from dnnx.studies.schedule import Part
from dnnx.studies.workers import threads_of

Work = Callable[[Sequence[str], Sequence[str], Path, Path], str | None]  # dnnx.train.run_words
Shard = Sequence[int] | None  # seeds; None: the whole run, as one batched network
MIN_SEEDS = 3  # of a shard while all workers are busy; a step of fewer seeds costs nearly as much


def make_parts(plan: Plan, composed: Sequence[DictConfig], work: Work, workers: int) -> list[Part]:
    """Return the tasks of a plan in their order; `composed` are the configs of its jobs.

    Raise UserError for code that no one typed: the data is prepared before a job checks its own config.
    """
    for job, config in zip(plan.jobs, composed, strict=True):
        check_run(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]), job.overrides)
    runs = [(plan.folder / job.name, config) for job, config in zip(plan.jobs, composed, strict=True)]
    shards = [shards_of(config, folder, len(runs), workers) for folder, config in runs]
    threads, parts = threads_of(min(workers, sum(map(len, shards)))), []
    for job, (folder, config), own in zip(plan.jobs, runs, shards, strict=True):
        data = None if (folder / "results.json").exists() else _data_of(config)
        for shard in own:
            words = job.overrides if shard is None else [*job.overrides, f"shard={list(shard)}".replace(" ", "")]
            name = job.name if shard is None else f"{job.name} seeds {name_of(shard)}"
            function = partial(work, words, plan.declared["config_dir"], folder, plan.folder)
            parts.append(Part(Task(name, function, threads, data), job.name, job.after))
    if any("lr_search" in config for config in composed):  # all shards of a run wait for its one search
        rounds = [[part for part in parts if part.job == job.name] for job in plan.jobs]
        parts = [part for one in itertools.zip_longest(*rounds) for part in one if part is not None]
    return parts


def shards_of(config: DictConfig, run: Path, num_runs: int, workers: int) -> list[Shard]:
    """Return the shards in which a run is to be trained: those that have begun, and the other seeds, split.

    A run whose own folder holds its checkpoints is trained on there, as one batched network.
    """
    begun_whole = (run / "checkpoints").exists() and not (run / FOLDER).exists()
    if config.get("shard") is not None or begun_whole or "baseline" in config:
        return [None]
    try:
        seeds, found = parse_seeds(config.seeds), find(config, run)
    except (UserError, OSError):
        return [None]  # the job will say what is wrong
    begun = [shard.seeds for shard in found if not is_done(config, shard)]
    there = {seed for shard in found for seed in shard.seeds}
    new = [seed for seed in seeds if seed not in there]
    shards: list[Shard] = [*begun, *split(new, count_shards(len(new), num_runs, workers))]
    return shards if len(shards) > 1 else [None]


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


def _data_of(config: DictConfig) -> dict[str, Any] | None:
    with suppress(OmegaConfBaseException):
        data: Any = OmegaConf.to_container(config.data, resolve=True)
        return data if isinstance(data, dict) else None
    return None
