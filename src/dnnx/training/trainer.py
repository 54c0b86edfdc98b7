"""Every Trainer of dnnx: without Lightning's Slurm handling, with the loggers of the config."""

import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from omegaconf import DictConfig, OmegaConf

from dnnx.basics.errors import takes
from dnnx.config.build import build, find

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # hides tips and the list of absent devices
warnings.filterwarnings("ignore", message=".*LeafSpec")  # Lightning 2.6 on torch 2.15
warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode")  # frozen layers are
# Lightning looks for srun again when fit begins, in every environment.
warnings.filterwarnings("ignore", message=r"The `srun` command is available")
# For a user's LightningModule: advice on speed, and on Lightning's own log, which is not the record here.
warnings.filterwarnings("ignore", message=r".*does not have many workers")
warnings.filterwarnings(
    "ignore", message=r"The number of training batches \(\d+\) is smaller than the logging interval"
)

# Lightning sets it; torch's optimizers then search for an NVIDIA driver in every step, for 0.4 ms.
os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)


def build_trainer(
    config: DictConfig, folder: Path, callbacks: Sequence[Any], loggers: Sequence[Any] = (), **arguments: Any
) -> Trainer:
    """Return the Trainer of the config group `trainer`; `arguments` override the config.

    A run is one process on one device, so Lightning gets the environment of one process. With Slurm's environment it
    would requeue the job, write its own checkpoint, and call `srun` if that is installed.
    """
    told = {"logger": [*loggers] or False, "plugins": [LightningEnvironment()], **arguments}
    given = OmegaConf.masked_copy(config, [str(key) for key in config if key not in told])
    return build("trainer", given, callbacks=[*callbacks], default_root_dir=str(folder), **told)


def bare_trainer(accelerator: str) -> Trainer:
    """Return a Trainer that writes nothing, to ask for a device."""
    quiet: Any = {"logger": False, "enable_checkpointing": False}
    return Trainer(accelerator=accelerator, devices=1, plugins=[LightningEnvironment()], **quiet)


def set_progress(trainer: Any, epochs: int, steps: int) -> None:
    """Let a trainer know how many epochs and steps have ended."""
    done, loop = trainer.fit_loop.epoch_progress.current, trainer.fit_loop.epoch_loop
    done.ready = done.started = done.processed = done.completed = epochs
    loop.manual_optimization.optim_step_progress.total.completed = steps


def build_loggers(cfg: DictConfig, folder: Path, version: str = "") -> list[Any]:
    """Return Lightning's loggers of the config group `logger`, each with a place to write unless the user chose one.

    Loggers of files write to `folder`/<key>/`version`, MLflow to `folder`/<key>. Those of a service name their run
    after experiment, arm and version.

    Example: `+logger.csv._target_=lightning.pytorch.loggers.CSVLogger` writes to `folder`/csv/.
    """
    loggers = []
    label = " ".join(filter(None, [cfg.name, cfg.get("arm"), version]))
    for key, config in {str(key): config for key, config in (cfg.get("logger") or {}).items()}.items():
        function = find(f"logger.{key}", config)
        has_folder = takes(function, "name")  # of its own below save_dir; MLflow fills save_dir itself
        told: dict[str, Any] = {"save_dir": str(folder if has_folder else folder / key), "run_name": label}
        is_service = takes(function, "project")  # for Weights & Biases a version is an id
        told |= {"name": label} if is_service else {"name": key, "version": version}
        loggers.append(build(f"logger.{key}", config, **{k: v for k, v in told.items() if k not in config}))
    return loggers


def close_logger(logger: Any) -> None:
    """End a logger's run, so that the next training of this process starts its own."""
    logger.finalize("success")
    if callable(finish := getattr(getattr(logger, "experiment", None), "finish", None)):
        finish()  # Weights & Biases would continue the same run
