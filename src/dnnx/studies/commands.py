"""`--jobs` prints the jobs of a study as commands, for array jobs, Kubernetes and whatever else runs commands."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import DictConfig

from dnnx.basics.console import console
from dnnx.basics.errors import UserError
from dnnx.config import check, plain, resume
from dnnx.config.compose import compose, config_dirs
from dnnx.config.overrides import LENGTH
from dnnx.config.seeds import parse_seeds, seeds_word
from dnnx.config.trust import check_run
from dnnx.runs.latest import link_latest
from dnnx.runs.locks import sole_writer
from dnnx.studies.backbone import backbone_study
from dnnx.studies.jobs import waves
from dnnx.studies.lengths import settle_lengths
from dnnx.studies.parts import is_finished
from dnnx.studies.plan import Job, make_plan
from dnnx.studies.study import declare

Check = Callable[[Sequence[Sequence[str]]], object]


def print_jobs(config: DictConfig, check_all: Check) -> None:
    """Make the folders of a study with a config in each, and print one command for each job.

    A blank line separates jobs that wait for those above it. The last command writes the report, and trains what is
    missing. `check_all` composes all jobs.
    """
    if config.study.until is not None:
        told = "each look chooses its jobs by the results of the one before"
        raise UserError(f"--jobs: with study.until={config.study.until} {told}; leave out one of the two")
    plan = make_plan(config)
    check_all([job.overrides for job in plan.jobs])
    plan.folder.mkdir(parents=True, exist_ok=True)
    with sole_writer(plan.folder), console.capture():
        needed = backbone_study(config)
        plan, runs = settle_lengths(config, plan, [run_config(config, job) for job in plan.jobs])
        configs = dict(zip(plan.names, runs, strict=True))
        declare(plan)
        for name, run in configs.items():
            if not (plan.folder / name / "config.yaml").exists():
                (plan.folder / name).mkdir(exist_ok=True)
                resume.save_config(run, plan.folder / name / "config.yaml")
        link_latest(plan.folder)
    blocks = [[line(*needed)]] if needed else []
    for wave in waves(plan.jobs, side_by_side=True):
        left = [job.name for job in wave if not is_finished(configs[job.name], plan.folder / job.name)]
        blocks += [[going_on(configs[name], plan.folder / name) for name in left]] if left else []
    print("\n\n".join("\n".join(block) for block in [*blocks, [resume.resuming(plan.folder, *configs.values())]]))


def run_config(config: DictConfig, job: Job) -> DictConfig:
    """Return the checked config of a job."""
    words = [word for word in job.overrides if not word.startswith("hydra.")]
    run = plain.settle(compose("train", words, config_dirs(config.hydra)), words)
    check_run(run, words)
    check.check(run)
    return run


def going_on(config: DictConfig, run: Path) -> str:
    """Return the command that trains what a run lacks: with the seeds and epochs that its config.yaml does not say."""
    saved, words = resume.load_config(run, "resume", config), []
    if set(parse_seeds(config.seeds)) - set(parse_seeds(saved.seeds)):
        words.append(seeds_word(config.seeds))
    if config.trainer.max_epochs > saved.trainer.max_epochs:
        words.append(f"{LENGTH}={config.trainer.max_epochs}")
    return " ".join([resume.resuming(run, config), *map(shlex.quote, words)])


def line(*words: str) -> str:
    return shlex.join(["python", "-m", "dnnx.train", *words])
