"""Train several arms of a study as one network. Each leaves a checkpoint, with which its own job tests it."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.console import tell, warn
from dnnx.basics.errors import UserError, is_out_of_memory, message_of
from dnnx.basics.signals import listen
from dnnx.config import check, plain, resume
from dnnx.config.compose import compose
from dnnx.config.seeds import parse_seeds
from dnnx.config.trust import check_run
from dnnx.runs.locks import sole_writer

if TYPE_CHECKING:  # torch loads slowly, and the parent of a study needs none
    from dnnx.training.merged import Arm


def train_merged(words: Mapping[Path, Sequence[str]], config_dirs: Sequence[str], study: Path) -> None:
    """Train the runs of these folders, each with its overrides, as one network.

    Where that is not possible nothing is trained, and the job of each run trains it alone.
    """
    with listen():
        try:
            configs = {folder: _config(own, config_dirs, folder) for folder, own in words.items()}
            arms = _assembled(configs)
        except (UserError, OSError):
            return  # each job says its own
        try:
            _train(configs, arms, study)
        except Exception as error:
            is_memory = isinstance(error, MemoryError | RuntimeError) and is_out_of_memory(error)
            why = "out of memory" if is_memory else f"{type(error).__name__}: {message_of(error, 200)}"
            warn(f"{len(words)} arms are trained one by one, and not as one network: {why}")


def _config(words: Sequence[str], config_dirs: Sequence[str], folder: Path) -> DictConfig:
    """Return the checked config of a run, as its own job makes it."""
    own = [word for word in words if not word.startswith("hydra.")]
    cfg = compose("train", own, config_dirs)
    check_run(cfg, own)
    cfg = plain.settle(cfg, own)
    check.check(cfg)
    return resume.settle_backbone(cfg, folder)


def _assembled(configs: Mapping[Path, DictConfig]) -> list["Arm"]:
    """Return the assembled runs; those of equal examples and seeds share their data."""
    from dnnx.training.assemble import assemble  # torch from here on
    from dnnx.training.merged import Arm

    arms, known = list[Arm](), dict[str, Any]()
    for folder, cfg in configs.items():
        seeds = parse_seeds(cfg.seeds)
        key = f"{OmegaConf.to_container(cfg.data, resolve=True)} of {seeds}"
        arms.append(Arm(*assemble(cfg, seeds, folder, known.get(key))))
        known[key] = arms[-1].data
    return arms


def _train(configs: Mapping[Path, DictConfig], arms: Sequence["Arm"], study: Path) -> None:
    from dnnx.runs.provenance import data_facts
    from dnnx.training.assemble import build_data
    from dnnx.training.fit_merged import fit_merged
    from dnnx.training.recording import recording

    names, seeds = ", ".join(folder.name for folder in configs), [seed for arm in arms for seed in arm.module.seeds]
    first = next(iter(configs.values()))
    with ExitStack() as stack:
        for arm, (folder, cfg) in zip(arms, configs.items(), strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(sole_writer(folder))
            stack.enter_context(recording(cfg, data_facts(arm.data), folder, study, names))
        tell(f"{len(seeds)} networks of {len(arms)} arms train as one: {names}")
        fit_merged(arms, build_data(first, seeds), first.trainer, study)
