"""The plan of a study: one job for each arm in each setting of the swept keys, checked before any is trained."""

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from dnnx.basics.errors import choose, require, shown
from dnnx.basics.names import TAKEN, fault_of_name
from dnnx.basics.typed import masked
from dnnx.config.check import check_keys
from dnnx.config.compose import config_dirs, without_hydra
from dnnx.config.overrides import check_repeated, choose_groups, key_of, parse, quoted
from dnnx.config.own_code import own_targets
from dnnx.config.params import read_params
from dnnx.config.seeds import parse_seeds
from dnnx.config.trust import check_run, require_none_in_files
from dnnx.studies.claims import baseline, declared_verdicts
from dnnx.studies.published import published_numbers


@dataclass(frozen=True)
class Job:
    """One run: its folder within the study's, the overrides of its config, and the job that it starts from."""

    name: str
    overrides: list[str]
    after: str | None = None


@dataclass(frozen=True)
class Plan:
    """The decisions before the first job. `declared` is the content of study.json."""

    folder: Path
    jobs: list[Job]
    declared: dict[str, Any]

    @property
    def names(self) -> list[str]:
        return [job.name for job in self.jobs]


def make_plan(config: DictConfig) -> Plan:
    """Return the plan of a composed config (with its node `hydra`). Raise UserError for a study that cannot run."""
    check_repeated(config.hydra.overrides.task)
    check_study(config)
    axes = _axes(config)
    check_sweep(config, axes)
    arms: Sequence[str | None] = axes.pop("arm", [None])  # type: ignore[arg-type]
    settings = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    folder = Path(config.hydra.sweep.dir)
    check_names(config.study.arms or {}, [run_name(arm, setting) for arm in arms for setting in settings])
    jobs = [_job(config, folder, arm, setting) for arm in arms for setting in settings]
    return Plan(folder, jobs, _declaration(config, arms, settings, list(axes)))


def chosen_overrides(params: Any, arm: Any, arms: Any, typed: Sequence[str]) -> list[str]:
    """Return overrides in order of priority, lowest first: the settings in `params`, the typed ones, the arm's."""
    settings = read_params(params, typed) if params is not None else []
    has_arms = arm is None or bool(arms)
    require(has_arms, "arm", arm, "there is none to choose from; a study such as +exp=dropout has arms")
    return [*settings, *typed, *(choose("arm", arm, arms) if arm is not None else [])]


def arms_with_seeds(arms: Any, typed: Sequence[str]) -> list[str]:
    """Return the arms whose own seeds count more than those that are typed, such as "costly (seeds=3)"."""
    if not any(key_of(word) == "seeds" for word in typed):
        return []
    own = {arm: [word for word in words if key_of(word) == "seeds"] for arm, words in arms.items()}
    return [f"{arm} ({words[-1]})" for arm, words in own.items() if words]


def run_name(arm: str | None, setting: dict[str, str]) -> str:
    """Return the folder of a job: its arm, then its swept keys, such as `bn_optimizer.lr-0.001`."""
    swept = "_".join(f"{key}-{value}" for key, value in sorted(setting.items()))
    return "_".join(filter(None, [arm, swept.replace("/", "-")]))


def compose_jobs(jobs: Sequence[Job], check: Callable[[Sequence[Sequence[str]]], list[DictConfig]]) -> list[DictConfig]:
    """Return the checked configs of jobs; `check` composes their overrides."""
    composed = [without_hydra(one) for one in check([job.overrides for job in jobs])]
    for job, config in zip(jobs, composed, strict=True):
        parse_seeds(config.seeds)
        check_run(config, job.overrides)  # workers get the data before they check the config of their own job
    return composed


def check_study(config: DictConfig) -> None:
    """Raise UserError, before training, for a study that no report could describe."""
    check_keys(without_hydra(config), "train")
    for arm, overrides in config.study.arms.items():
        choose_groups(list(overrides))
        for word in overrides:
            told = "an arm takes no experiment; type its differences, such as net.hidden=[200]"
            require(key_of(word) != "exp", f"study.arms.{arm}", word, told)
    check_arms(config)
    declared_verdicts(config.study)
    baseline(config.study)
    published_numbers(config.study)
    backbone, default = config.backbone, Path(config.paths.outputs, str(config.study.needs))
    if backbone is not None and not str(backbone).startswith("arm:") and default not in Path(str(backbone)).parents:
        found = Path(str(backbone), "results.json").is_file()
        require(found, "backbone", backbone, "it is no finished run; try backbone=outputs/bn_vs_plain/latest/bn")


def check_arms(config: DictConfig) -> None:
    """Raise UserError if two arms are equal, for example because a typed key is their only difference."""
    typed = {*map(key_of, config.hydra.overrides.task)} if "hydra" in config else set()
    first: dict[frozenset[str], str] = {}
    for arm, overrides in config.study.arms.items():
        own = frozenset(override for override in overrides if key_of(override) not in typed)
        same = first.setdefault(own, arm)
        keys = {*map(key_of, [*overrides, *config.study.arms[same]])} & typed
        told = f"the arms {same} and {arm} differ in nothing else; leave it to them"
        require(same == arm, ", ".join(sorted(keys)) or "study.arms", "...", told)


def check_names(arms: Iterable[Any], runs: Collection[str]) -> None:
    """Raise UserError for an arm, or a run with its swept values, whose folder would lie elsewhere or be a file.

    Raise it also for two runs of one folder: the values 1e-3 and 0.001 are one.
    """
    for key, names in (("study.arms", map(str, arms)), ("arm (the folder of a run)", runs)):
        for name in names:
            fault = fault_of_name(name, TAKEN)
            require(not fault, key, shown(name[:80]), fault)
    for name, count in Counter(iter(runs)).items():  # of the names, also where they are keys
        told = "two runs would have this folder; type each swept value once"
        require(count == 1, "arm (the folder of a run)", name, told)


def check_sweep(config: DictConfig, axes: dict[str, list[str]]) -> None:
    """Raise UserError, before anything is written, for a multirun whose jobs would share a folder or a swept rate."""
    folder, resume = Path(config.hydra.sweep.dir), config.resume
    found = (folder / "config.yaml").exists()
    require(not found, "resume", resume, "it is one run, not a study; to go on with it, type nothing else")
    is_study = resume is None or (folder / "study.json").is_file()
    require(is_study, "resume", resume, "it holds no study.json, so it is no study; try resume=outputs/dropout/latest")
    of_arms = [override for arm in axes.get("arm", []) for override in config.study.arms.get(arm, [])]
    searched = {"lr_search"} & {*config, *axes, *map(key_of, of_arms)}
    both = "optimizer.lr" in axes and bool(searched)
    require(not both, "optimizer.lr", "...", "it is swept, and lr_search would search it; type one of the two")


def _axes(config: DictConfig) -> dict[str, list[str]]:
    """Return the swept keys of a multirun with their values, in the order of the jobs."""
    study = config.study
    for key, value in (("arms", study.arms), ("axes", study.axes)):
        require(isinstance(value or {}, DictConfig | dict), f"study.{key}", shown(value), "a mapping, or {} for none")
    declared = [f"arm={','.join(map(str, study.arms))}"] if study.arms else []
    declared += [f"{key}={values}" for key, values in (study.axes or {}).items()] if study.arms else []
    axes: dict[str, list[str]] = {}
    for override in OverridesParser.create().parse_overrides([*declared, *config.hydra.overrides.task]):
        key = override.key_or_group
        axes.pop(key, None)  # what is typed replaces what the experiment declares
        if override.is_sweep_override():
            axes[key] = list(override.sweep_string_iterator())
        elif key == "arm":
            axes[key] = [str(override.value())]
    return axes


def _job(config: DictConfig, folder: Path, arm: str | None, setting: dict[str, str]) -> Job:
    """Return the job of an arm in a setting. Its overrides are the typed ones, the arm's, and its folder."""
    parsed = parse(config.hydra.overrides.task)
    typed = {override.key_or_group for override in parsed.values()}
    words = [f"{key}={value}" for key, value in setting.items() if key not in typed]
    for place, word in enumerate(config.hydra.overrides.task):
        override = parsed.get(place)
        if override is not None and override.key_or_group in setting:
            words.append(f"{override.get_key_element()}={setting[override.key_or_group]}")
        elif override is None or override.key_or_group != "arm":
            words.append(word)
    words += [f"arm={arm}"] if arm is not None else []
    named = setting.get("params", config.params)
    params = None if named == "null" else named
    of_arm = config.study.arms.get(arm) if arm is not None else None
    require_none_in_files([*(of_arm or []), *(config.study.axes or {})])
    chosen = choose_groups(chosen_overrides(params, arm, config.study.arms, words))
    overrides = own_targets(chosen, "train", config_dirs(config.hydra))
    starts = [word.removeprefix("backbone=arm:") for word in overrides if word.startswith("backbone=arm:")]
    name = run_name(arm, setting)
    place_words = [f"hydra.sweep.dir={quoted(folder)}", f"hydra.sweep.subdir={quoted(name)}"]
    return Job(name, [*overrides, *place_words], run_name(starts[-1], setting) if starts else None)


def _declaration(
    config: DictConfig, arms: Sequence[str | None], settings: list[dict[str, str]], axes: list[str]
) -> dict[str, Any]:
    """Return the content of study.json. Each verdict is asked once for every setting of the other swept keys."""
    study: Any = OmegaConf.to_container(config.study, resolve=True)
    reference = baseline(study)
    reference = reference if reference in arms else arms[0]
    published = {
        run_name(arm, setting): numbers
        for arm, numbers in published_numbers(study).items()
        for setting in settings
        if arm in arms
    }
    return {
        "name": config.name,
        "question": study["question"],
        "reference": run_name(reference, settings[0]),
        "arms": [run_name(arm, setting) for arm in arms for setting in settings],
        "verdicts": _study_verdicts(study, arms, settings) if study["arms"] else _sweep_verdicts(reference, settings),
        "axes": axes,
        "config_dir": config_dirs(config.hydra),
        "overrides": list(map(masked, config.hydra.overrides.task)),
    } | ({"published": published} if published else {})


def _study_verdicts(study: Any, arms: Sequence[str | None], settings: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [
        verdict
        | {"ask": verdict["ask"] + (f" ({run_name(None, setting)})" if setting else "")}
        | {side: run_name(verdict[side], setting) for side in ("arm", "than")}
        for setting in settings
        for verdict in declared_verdicts(study)
        if verdict["arm"] in arms and verdict["than"] in arms
    ]


def _sweep_verdicts(arm: str | None, settings: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the questions of a sweep without arms. They use validation loss, as settings are chosen on validation."""
    first, *others = (run_name(arm, setting) for setting in settings)
    same = {"metric": "val/loss", "than": first, "expect": "lower"}
    return [same | {"ask": f"Is the validation loss of {x} lower than that of {first}?", "arm": x} for x in others]
