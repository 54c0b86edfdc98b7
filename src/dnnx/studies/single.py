"""A single run with `jobs=N`: its seeds are trained as shards in worker processes, and joined."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from dnnx.basics.console import console
from dnnx.basics.signals import going_on
from dnnx.config import check
from dnnx.config.resume import finished, go_on
from dnnx.studies.parts import Work, parts_of_run
from dnnx.studies.pool import open_pool
from dnnx.studies.schedule import run_parts
from dnnx.studies.workers import count_workers, gpus_of


def train_beside(words: Sequence[str], config_dirs: Sequence[str], run: Path, work: Work, cfg: DictConfig) -> bool:
    """Train the seeds of a run in `jobs` workers, each some of them; the one that ends last joins them.

    `cfg` is composed of the overrides `words`. Return False if nothing was done: this process is to train all seeds, as
    `jobs` asks for no workers, or as the seeds that are left are one job.
    """
    check.check_jobs(cfg.get("jobs"))
    if cfg.get("jobs") in (None, 1) or cfg.get("shard") is not None:
        return False
    check.check(cfg)
    accelerator = str(cfg.trainer.get("accelerator"))
    workers = count_workers(cfg.jobs, accelerator)
    parts = parts_of_run(cfg, words, config_dirs, run, work, workers) if workers > 1 else []
    if not parts:
        if workers > 1 and not finished(cfg, run):
            console.print(f"jobs={cfg.jobs}: the seeds that are left are one job, so one process trains them")
        return False
    advice = go_on(run, cfg)
    with going_on(advice), open_pool() as pool:
        run_parts(cfg.name, parts, workers, advice, gpus_of(accelerator), pool)
    return True
