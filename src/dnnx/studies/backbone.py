"""The backbone of a study: trained first where it is missing, and checked before the first arm starts from it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.console import console
from dnnx.basics.counts import many
from dnnx.basics.errors import near_misses, require
from dnnx.config import resume
from dnnx.config.app import FAILURES
from dnnx.config.compose import compose, config_dirs
from dnnx.config.overrides import override_of, quoted, retype_study, split
from dnnx.config.paths import run_folder
from dnnx.config.seeds import parse_seeds, seeds_word
from dnnx.runs.files import read_json, remove_empty

# Words of the backbone's study that may differ: they change its place, its speed, or its number of seeds.
FREE = ("exp=", "seeds=", "jobs=", "paths.", "trainer.accelerator=", "callbacks.", "packages=", "hydra", "study.")


def train_backbone(config: DictConfig, run: Callable[[DictConfig], None]) -> None:
    """Run the study that trains the backbone first, if there is no finished one; the next study finds it.

    `run` runs the study of a composed config.
    """
    words = backbone_study(config)
    if words is not None:
        _run_needed(config, words, run)


def extend_backbone(config: DictConfig, seeds: Sequence[int], run: Callable[[DictConfig], None]) -> None:
    """Train the seeds that the needed study lacks, in all its arms; a backbone that was typed keeps its seeds.

    `run` runs the study of a composed config.
    """
    needs, backbone = config.study.needs, Path(str(config.backbone))
    if not is_needed(config) or not (missing := _missing(backbone, seeds)):
        return
    which = f"seed {missing[0]}" if len(missing) == 1 else f"{len(missing)} seeds, {missing[0]} to {missing[-1]},"
    console.print(f"+exp={needs} first gets {which} from which this study starts", soft_wrap=True)
    wanted = seeds_word([*resume.load_results(backbone)["seeds"], *missing])
    _run_needed(config, [override_of("resume", _place(config)), wanted, *_jobs(config)], run)
    told = f"+exp={needs} has its answers and takes no more seeds; type backbone=... of a run with {len(seeds)} seeds"
    require(not _missing(backbone, seeds), "backbone", resume.short(backbone), told)


def _missing(backbone: Path, seeds: Sequence[int]) -> list[int]:
    there = resume.load_results(backbone)["seeds"]
    return [seed for seed in seeds if seed not in there]


def _run_needed(config: DictConfig, words: Sequence[str], run: Callable[[DictConfig], None]) -> None:
    """Run the needed study with these words. Raise UserError if it fails."""
    typed = split(retype_study([*words]))
    own = _own_folders(config)
    needed = compose("train", typed.overrides, own)
    folder = run_folder(needed)
    before = len(FAILURES)
    place = [f"hydra.sweep.dir={quoted(folder)}"]
    try:
        run(compose("train", [*typed.overrides, *place], own, with_hydra=True))
    finally:
        remove_empty(folder.absolute(), Path(config.paths.outputs).absolute())
    told = "that run failed, so there is no backbone; give backbone=..."
    require(len(FAILURES) == before, "study.needs", config.study.needs, told)


def is_missing(config: DictConfig) -> bool:
    """Return whether the backbone is that of the needed study, and not there."""
    return is_needed(config) and not Path(str(config.backbone), "results.json").exists()


def backbone_study(config: DictConfig) -> list[str] | None:
    """Return the words that start or resume the study whose arm is the backbone; None if it is finished."""
    if not is_missing(config):
        return None
    needs, backbone = config.study.needs, str(config.backbone)
    default = _place(config)
    needed = compose("train", [f"+exp={needs}"], _own_folders(config))
    arms, arm = list(needed.study.arms), str(Path(backbone).relative_to(default))
    near = near_misses(arm, arms)
    require(arm in arms, "backbone", backbone, f"+exp={needs} would make {' and '.join(arms)} there{near}")
    seeds, epochs = many(len(parse_seeds(needed.seeds)), "seed"), many(needed.trainer.max_epochs, "epoch")
    console.print(
        f"{backbone} is no finished run: +exp={needs} runs first, once, as it is declared, whatever is typed here: "
        f"{many(len(arms), 'arm')}, {seeds}, up to {epochs}; "
        "backbone=... of a run that there is needs none of it", soft_wrap=True,
    )  # fmt: skip
    if (default / "study.json").exists():
        return [override_of("resume", default), *_jobs(config)]
    keys = ("paths.outputs", "paths.data", "data.source", "trainer.accelerator")
    return [f"+exp={needs}", *(override_of(key, OmegaConf.select(config, key)) for key in keys), *_jobs(config)]


def check_backbones(config: DictConfig, composed: Sequence[DictConfig]) -> None:
    """Raise UserError for a finished backbone that an arm could not start from, or that is a short try of its study.

    `composed` are the configs of the arms. One that is not finished is trained first, or its arm says so.
    """
    for one in composed:
        path = Path(str(one.get("backbone")))
        if (path / "results.json").is_file():
            check_seeds(path, parse_seeds(one.seeds))
    is_typed = "hydra" in config and any(word.startswith("backbone=") for word in config.hydra.overrides.task)
    if is_needed(config) and not is_missing(config) and not is_typed and config.resume is None:
        check_whole(config, Path(str(config.backbone)))


def check_seeds(backbone: Path, seeds: Sequence[int]) -> None:
    """Raise UserError unless a backbone has a network that did not diverge for each seed of a run."""
    results = resume.load_results(backbone)
    there = results["seeds"]
    more = f"make more: {resume.resuming(_study_of(backbone))} seeds={len(seeds)}"
    told = f"it has {many(len(there), 'seed')} and this study {len(seeds)}; type seeds={len(there)}, or {more}"
    enough = set(seeds) <= set(there) or len(there) >= len(seeds)
    require(enough, "backbone", resume.short(backbone), told)
    places = [there.index(seed) for seed in seeds] if set(seeds) <= set(there) else range(len(seeds))
    lost = [str(there[place]) for place in places if results["epoch/diverged"][place]]
    told = f"seed {', '.join(lost)} of it diverged, so no network can start from it; give another with backbone=..."
    require(not lost, "backbone", resume.short(backbone), told)


def check_whole(config: DictConfig, backbone: Path) -> None:
    """Raise UserError if the study of a backbone was started with other words than its experiment and this study."""
    needs, saved = config.study.needs, resume.load_config(backbone, "backbone", config)
    study, own = _study_of(backbone) / "study.json", list(config.hydra.overrides.task) if "hydra" in config else []
    words = read_json(study).get("overrides", []) if study.is_file() else []
    odd = [word for word in words if not word.lstrip("+~").startswith(FREE) and word not in own]
    epochs = f"trainer.max_epochs={saved.trainer.max_epochs}"
    if max(resume.load_results(backbone)["epoch/last"]) < saved.trainer.max_epochs:
        odd = [word for word in odd if word != epochs]  # early stopping ended every seed before
    sources = [one.data.get("source") for one in (saved, config)]
    odd = [word for word in odd if not word.startswith("data.source=")]
    odd += [f"data.source={sources[0]}"] if sources[0] != sources[1] else []
    again = [f"+exp={needs}", *(word for word in own if word.startswith(("data.source=", "paths.")))]
    here = resume.short(backbone)
    told = f"it is not of +exp={needs} as declared: it was trained with {', '.join(odd)}; for a right one type "
    told += f"python -m dnnx.train {' '.join(again)}, to start from this one type backbone={here}"
    require(not odd, "backbone", here, told)


def is_needed(config: DictConfig) -> bool:
    """Return whether the backbone is an arm of the needed study, not another run that was typed."""
    return config.study.needs is not None and _place(config) in Path(str(config.backbone)).parents


def _place(config: DictConfig) -> Path:
    """Return the folder of the newest run of the needed study."""
    return Path(config.paths.outputs, str(config.study.needs), "latest")


def _study_of(backbone: Path) -> Path:
    """Return the folder to resume for more seeds of a backbone: that of its study, or its own."""
    return backbone.parent if (backbone.parent / "study.json").is_file() else backbone


def _jobs(config: DictConfig) -> list[str]:
    """Return the word that gives a needed study as many workers as were typed."""
    return [f"jobs={config.jobs}"] if config.jobs is not None else []


def _own_folders(config: Any) -> list[str]:
    return config_dirs(config.hydra) if "hydra" in config else []
