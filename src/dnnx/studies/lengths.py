"""The number of epochs of each arm when a study goes on: an arm that was trained on alone keeps its own."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.console import warn
from dnnx.basics.counts import many
from dnnx.basics.errors import UserError, differences, require
from dnnx.config.continued import trained_epochs
from dnnx.config.explain import flatten
from dnnx.config.overrides import LENGTH, key_of
from dnnx.config.resume import short
from dnnx.runs.files import read_json, read_yaml
from dnnx.runs.looks import Looks
from dnnx.studies.plan import Job, Plan

Configs = Sequence[DictConfig]
FOLLOWING = ("scheduler.", "techniques.last_epoch.")  # keys that may follow the number of epochs


def settle_lengths(config: DictConfig, plan: Plan, composed: Configs) -> tuple[Plan, list[DictConfig]]:
    """Return the plan and the configs of its jobs, each with its number of epochs; study.json gets the declared ones.

    `resume=<arm> trainer.max_epochs=8` trains one arm of a study on. When the study goes on, this arm keeps its 8
    epochs, with a warning. A number that is typed beside `resume=<study>` holds for all arms: UserError if an arm has
    trained more epochs, or if the study has taken looks at its claims with another number.
    """
    declared = _lengths(plan, composed)
    plan = replace(plan, declared=plan.declared | {"epochs": declared})
    if _is_typed(config, plan.folder):
        _check_typed(plan, composed)
        return plan, [*composed]
    own = [saved_length(plan.folder / job.name) for job in plan.jobs]
    pairs = [_kept(job, one, epochs) for job, one, epochs in zip(plan.jobs, composed, own, strict=True)]
    jobs, configs = [job for job, _ in pairs], [one for _, one in pairs]
    _warn(plan, _lengths(plan, configs))
    return replace(plan, jobs=jobs), configs


def saved_length(run: Path) -> int:
    """Return the number of epochs in the config.yaml of a run; 0 where there is none, or none that can be read."""
    found = _saved(run).get(LENGTH)
    return found if type(found) is int else 0


def _saved(run: Path) -> dict[str, object]:
    """Return the config.yaml of a run by dotted keys; {} where it is absent or cannot be read."""
    path = run / "config.yaml"
    with suppress(UserError):
        return flatten(OmegaConf.to_container(read_yaml(path, str(path)))) if path.is_file() else {}
    return {}


def _lengths(plan: Plan, composed: Configs) -> dict[str, int]:
    """Return the valid numbers of epochs by job; its job says what is wrong with any other."""
    lengths = {job.name: one.trainer.get("max_epochs") for job, one in zip(plan.jobs, composed, strict=True)}
    return {name: epochs for name, epochs in lengths.items() if type(epochs) is int and epochs > 0}


def _is_typed(config: DictConfig, folder: Path) -> bool:
    """Return whether this command has a number of epochs that the study was not started with."""
    path = folder / "study.json"
    before = read_json(path).get("overrides", []) if path.is_file() else None
    words = [word for word in config.hydra.overrides.task if key_of(word) == LENGTH]
    return before is not None and any(word not in before for word in words)


def _check_typed(plan: Plan, composed: Configs) -> None:
    looks, lengths = Looks.of(plan.declared.get("looks")), _lengths(plan, composed)
    for job, config in zip(plan.jobs, composed, strict=True):
        run, now = plan.folder / job.name, lengths.get(job.name, 0)
        before, done = saved_length(run), trained_epochs(config, run)
        if not before or not now:
            continue
        told = f"{job.name} has trained {many(done, 'epoch')}; type {done} or more, or leave it out"
        require(now >= done, LENGTH, now, told)
        told = f"the looks of this study were taken with {many(before, 'epoch')}; leave it out, or start another study"
        require(not (looks and looks.taken) or now == before, LENGTH, now, told)
        saved, new = _saved(run), flatten(OmegaConf.to_container(config, resolve=True))
        found = differences(saved, new, [key for key in saved if key.startswith(FOLLOWING) and key in new])
        told = f"{job.name} was made for {many(before, 'epoch')}: {', '.join(found)}; leave it out, or start anew"
        require(not found, LENGTH, now, told)


def _kept(job: Job, config: DictConfig, own: int) -> tuple[Job, DictConfig]:
    """Return a job and its config with the run's own number of epochs, where that is higher."""
    now = config.trainer.get("max_epochs")
    if type(now) is not int or own <= now:
        return job, config
    config = config.copy()
    config.trainer.max_epochs = own
    return replace(job, overrides=[*job.overrides, f"{LENGTH}={own}"]), config


def _warn(plan: Plan, now: Mapping[str, int]) -> None:
    """Warn of arms that keep more epochs than the study declares for them, unless all do."""
    declared = plan.declared["epochs"]
    longer = [name for name, epochs in now.items() if epochs != declared[name]]
    if longer and len(longer) < len(now):
        told = ", ".join(f"{name} has {many(now[name], 'epoch')} in place of {declared[name]}" for name in longer)
        again = f"resume={short(plan.folder)} {LENGTH}={max(now[name] for name in longer)}"
        warn(f"{told}: it was trained on alone, so arms differ by more than their settings; {again} trains all on")
