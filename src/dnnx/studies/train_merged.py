"""Train several arms of a study as one network. Each leaves a checkpoint, with which its own job tests it."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.console import console, warn
from dnnx.basics.errors import UserError, is_out_of_memory, message_of
from dnnx.basics.signals import listen
from dnnx.config import check, plain, resume
from dnnx.config.compose import compose
from dnnx.config.seeds import parse_seeds
from dnnx.config.trust import check_run
from dnnx.runs.locks import sole_writer


def train_merged(words: Mapping[Path, Sequence[str]], config_dirs: Sequence[str], study: Path) -> None:
    """Train the runs of these folders, each with its overrides, as one network.

    Where that is not possible nothing is trained, and the job of each run does it alone and says what is wrong.
    """
    try:
        with listen():
            _train({folder: _config(own, config_dirs, folder) for folder, own in words.items()}, study)
    except (UserError, OSError):
        pass  # each job says its own
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


def _train(configs: Mapping[Path, DictConfig], study: Path) -> None:
    from dnnx.runs.provenance import data_facts  # torch from here on
    from dnnx.training.assemble import assemble, build_data
    from dnnx.training.callbacks.merged import OfArms
    from dnnx.training.merged import Arm, MergedModule
    from dnnx.training.recording import recording
    from dnnx.training.trainer import build_trainer

    names = ", ".join(folder.name for folder in configs)
    with ExitStack() as stack:
        arms, known = list[Arm](), dict[str, Any]()  # `known` is data that arms have in common
        for folder, cfg in configs.items():
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(sole_writer(folder))
            seeds = parse_seeds(cfg.seeds)
            key = f"{OmegaConf.to_container(cfg.data, resolve=True)} of {seeds}"
            data, module, trainer = assemble(cfg, seeds, folder, known.get(key))
            known[key] = data
            stack.enter_context(recording(cfg, data_facts(data), folder, study, names))
            arms.append(Arm(data, module, trainer))
        merged = MergedModule(arms)
        data = build_data(cfg, merged.seeds)
        trainer = build_trainer(cfg.trainer, study, [OfArms(arms)])
        data.trainer = trainer
        data.to(trainer.strategy.root_device)
        console.print(f"{len(merged.seeds)} networks of {len(arms)} arms train as one: {names}", soft_wrap=True)
        trainer.fit(merged, datamodule=data)
