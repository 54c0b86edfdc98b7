"""`python -m dnnx.tune`: search a space by cross-validated trials, then train and test the best setting."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.console import console, warn
from dnnx.basics.errors import UserError, choose, require
from dnnx.basics.signals import Stopped
from dnnx.basics.typed import hide
from dnnx.config.app import FAILURES, command, guard, study_folder, typed_overrides
from dnnx.config.check import check_jobs, check_keys
from dnnx.config.compose import compose, own_folders
from dnnx.config.continued import same_run
from dnnx.config.overrides import key_of, parse
from dnnx.config.paths import tuning_folder
from dnnx.config.plain import is_plain, settle
from dnnx.config.resume import load_config
from dnnx.config.seeds import parse_seeds
from dnnx.config.trust import check_run
from dnnx.runs.files import remove_empty
from dnnx.studies.crew import AllEnd, Stop, run_crew
from dnnx.studies.foreman import Task
from dnnx.studies.parts import data_of
from dnnx.studies.plan import chosen_overrides
from dnnx.studies.pool import open_pool
from dnnx.studies.schedule import Part, run_parts
from dnnx.studies.workers import count_workers, gpus_of, threads_of
from dnnx.train import train
from dnnx.tuning import outcome
from dnnx.tuning.outcome import TooManyFailed

if TYPE_CHECKING:  # Optuna and torch load slowly, and --help must answer at once
    from optuna import Study
    from optuna.trial import FrozenTrial

    from dnnx.tuning.cross_validation import CrossValidation
    from dnnx.tuning.space import Space

Compose = Callable[[Sequence[str]], DictConfig]
OF_OTHERS = "the worker that ends the last trial writes the report and trains the best setting"


def tune(cfg: DictConfig, folder: Path, compose: Compose, trials: bool = True, ending: bool = True) -> bool:
    """Run trials of the study in `folder` until `n_trials` are finished, by this process and others; then end it.

    `compose` returns the config of a run for given overrides. `trials` and `ending` choose the steps. Return whether
    this process ran the last trial.
    """
    check(cfg)

    from dnnx.tuning.cross_validation import CrossValidation  # imports torch
    from dnnx.tuning.opening import open_study
    from dnnx.tuning.own_module import OwnModule
    from dnnx.tuning.space import Space
    from dnnx.tuning.trials import work

    plain: Any = OmegaConf.to_container(cfg)
    space = Space(plain["space"], plain["derived"])
    validation = (OwnModule if is_plain(cfg) else CrossValidation)(cfg, space, compose, folder)
    for point in space.corners():
        validation.build(point)  # a wrong key or value fails here, before the study exists
    cfg.objective, cfg.direction = validation.objective, validation.direction
    study = open_study(cfg, folder, space, validation)
    last = True
    if trials:
        announce(cfg, study, validation)
        try:
            last = work(cfg, study, space, validation)
        except (Stopped, TooManyFailed):
            if ending:
                with suppress(UserError):  # no trial was completed
                    outcome.close(study, folder, space)
            raise
    if ending and last:
        end(cfg, study, space, validation, folder)
    elif ending:
        console.print(OF_OTHERS)
    return last


def end(cfg: DictConfig, study: "Study", space: "Space", validation: "CrossValidation", folder: Path) -> None:
    """Write the report of a study, and train and test its best setting."""
    outcome.close(study, folder, space)
    if cfg.retrain:
        best = study.best_trial
        space.require_point(best.params, best.number)
        console.rule(f"trial {best.number}, trained on the seeds and tested", align="left")
        train(retrain_config(validation, best, folder), folder / f"trial_{best.number}")


def tune_words(words: Sequence[str], config_dirs: Sequence[str], folder: Path, ending: bool) -> "bool | str | Stop":
    """Do a part of a tuning in a worker: run trials, or with `ending` the steps after the last one.

    Return whether this worker ran the last trial, the line of a user's mistake, or Stop if too many trials failed.
    """
    ended: list[bool | Stop] = []

    def task(words: Sequence[str]) -> None:
        cfg = typed_wins(compose("tune", words, config_dirs), words)
        try:
            ended.append(tune(cfg, folder, composer(cfg, words, config_dirs), trials=not ending, ending=ending))
        except TooManyFailed as error:
            ended.append(Stop(str(error)))

    return guard(task, "tune")(words) or ended[0]


def tune_beside(cfg: DictConfig, words: Sequence[str], config_dirs: Sequence[str], folder: Path) -> None:
    """Run the trials in `jobs` workers, which share one study; then end it in one more worker."""
    check(cfg)
    told = "SQLite is for one process only; leave storage out, or type jobs=1"
    require(not str(cfg.storage).startswith("sqlite"), "jobs", cfg.jobs, told)
    accelerator, num = str(cfg.trainer.get("accelerator")), min(cfg.jobs, cfg.n_trials)
    num, gpus = count_workers(num, accelerator), gpus_of(accelerator)
    data, advice = data_of(cfg), "to go on, type the same again"
    do = partial(tune_words, words, config_dirs, folder)
    tasks = [Task(f"worker {i}", partial(do, False), threads_of(num), data) for i in range(num)]
    try:
        with open_pool() as pool:
            values = run_crew(cfg.name, tasks, advice, gpus, pool, partial(outcome.fail_dead, cfg, folder))
            if True in values:
                last = Part(Task("the end", partial(do, True), threads_of(1), data), "the end")
                run_parts(cfg.name, [last], 1, advice, gpus, pool)
            elif not FAILURES:
                console.print(OF_OTHERS)
    except (Stopped, AllEnd):
        outcome.close_folder(cfg, folder)
        raise


def check(cfg: DictConfig) -> None:
    """Raise UserError for a sweep that cannot run. The config of its runs is checked elsewhere."""
    check_keys(cfg, "train", "tune")
    check_run(cfg)
    check_jobs(cfg.jobs)
    for key in ("n_trials", "stale_after_s"):
        require(cfg[key] >= 1, key, cfg[key], "a whole number of at least 1")
    require(cfg.timeout is None or cfg.timeout > 0, "timeout", cfg.timeout, "null, or seconds")
    parse_seeds(cfg.seeds)
    if cfg.direction is not None:
        choose("direction", cfg.direction, {"maximize": None, "minimize": None})
    require(cfg.resume is None, "resume", cfg.resume, "leave it out; the same command continues a study")
    arms = list(cfg.study.arms or {})
    require(cfg.arm is not None or not arms, "arm", None, f"choose the arm to tune; type arm={' or arm='.join(arms)}")


def announce(cfg: DictConfig, study: "Study", validation: "CrossValidation") -> None:
    data = next(iter(validation.data.values()))
    sizes = f"{data.sizes['train']:,} training and {data.sizes['val']:,} validation examples {validation.split}"
    trials = f"{cfg.name}: {cfg.n_trials} trials of {cfg.folds} {validation.parts}"
    console.print(f"{trials}\ndata: {data.provenance['note']}: {sizes}", soft_wrap=True)
    warn(data.provenance["warning"])
    if len(study.trials):
        console.print(f"continues after {len(study.trials)} trials")


def retrain_config(validation: "CrossValidation", best: "FrozenTrial", folder: Path) -> DictConfig:
    """Return the config of the final run with the best setting. A run that is there already may get more seeds.

    Raise UserError if its folder holds another run.
    """
    run = validation.run_config(best.params, trial=False)
    there = folder / f"trial_{best.number}"
    if (there / "config.yaml").exists():
        run.resume = str(there)
        run = same_run(run, there, load_config(there, "resume", run))
    return run


def typed_wins(cfg: DictConfig, words: Sequence[str]) -> DictConfig:
    """Return the config without those overrides of trials, and searched keys, that were typed as `words`."""
    typed = {override.key_or_group for override in parse(words).values()}
    cfg = cfg.copy()
    OmegaConf.set_struct(cfg, False)
    cfg.trial = [word for word in cfg.trial if key_of(word) not in typed]
    for group in ("space", "derived"):
        for key in [key for key in cfg[group] if key in typed]:
            del cfg[group][key]
            console.print(f"{key}: it is typed, so it is not searched", soft_wrap=True)
    return cfg


def composer(cfg: DictConfig, words: Sequence[str], config_dirs: Sequence[str]) -> Compose:
    """Return a function that composes the typed overrides `words`, the chosen arm, and more overrides."""
    chosen = chosen_overrides(cfg.params, cfg.arm, cfg.study.arms, words)
    return lambda overrides: compose("tune", [*chosen, *overrides], config_dirs)


@command("tune", where=tuning_folder)
def main(cfg: DictConfig) -> None:
    folder, words, config_dirs = study_folder(), typed_overrides(), own_folders()
    settle(cfg, words)  # UserError for a key that a LightningModule does not read
    check_jobs(cfg.jobs)
    cfg = typed_wins(cfg, words)
    try:
        if cfg.jobs in (None, 1):
            tune(cfg, folder, composer(cfg, words, config_dirs))
        else:
            tune_beside(cfg, words, config_dirs, folder)
    except (TooManyFailed, AllEnd) as error:
        print(hide(f"error: {error}"), file=sys.stderr)
        sys.exit(1)
    finally:
        remove_empty(folder, Path(cfg.paths.outputs).absolute())


if __name__ == "__main__":
    from dnnx.tune import main  # the importable one, which launchers can send to other processes

    main()
