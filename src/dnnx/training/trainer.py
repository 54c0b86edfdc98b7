"""Every Trainer that dnnx makes comes from here: Lightning's Slurm handling is off, and its loggers are built."""

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

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # no tips, no list of absent devices
warnings.filterwarnings("ignore", message=".*LeafSpec")  # Lightning 2.6 on torch 2.15
warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode")  # frozen layers are
# Lightning looks for srun once more when fit begins, whatever environment it was given.
warnings.filterwarnings("ignore", message=r"The `srun` command is available")
# Of a user's LightningModule: advice on speed and on Lightning's own log, which is not the record.
warnings.filterwarnings("ignore", message=r".*does not have many workers")
warnings.filterwarnings(
    "ignore", message=r"The number of training batches \(\d+\) is smaller than the logging interval"
)

# Lightning sets it, and torch's optimizers then search for an NVIDIA driver in every step: 0.4 ms.
os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)


def build_trainer(
    config: DictConfig, folder: Path, callbacks: Sequence[Any], loggers: Sequence[Any] = (), **arguments: Any
) -> Trainer:
    """Return the Trainer of the config group `trainer`; `arguments` win over the config.

    A run is one process on one device, so Lightning's environment is that of one process. With Slurm's, Lightning
    would requeue the job, write a checkpoint of its own, and ask for `srun` where that is installed.
    """
    told = {"logger": [*loggers] or False, "plugins": [LightningEnvironment()], **arguments}
    given = OmegaConf.masked_copy(config, [str(key) for key in config if key not in told])
    return build("trainer", given, callbacks=[*callbacks], default_root_dir=str(folder), **told)


def bare_trainer(accelerator: str) -> Trainer:
    """Return a Trainer that leaves nothing behind, to ask for a device."""
    quiet: Any = {"logger": False, "enable_checkpointing": False}
    return Trainer(accelerator=accelerator, devices=1, plugins=[LightningEnvironment()], **quiet)


def build_loggers(configs: DictConfig | None, folder: Path, name: str, version: str = "") -> list[Any]:
    """Return Lightning's loggers of the config group `logger`, each told where to write unless the user said so.

    Loggers of files write to `folder`/<key>/`version`; those of a service name their run `name`, with the version.

    Example: `+logger.csv._target_=lightning.pytorch.loggers.CSVLogger` writes to `folder`/csv/.
    """
    loggers = []
    for key, config in {str(key): config for key, config in (configs or {}).items()}.items():
        label = f"{name} {version}".strip()
        told: dict[str, Any] = {"save_dir": str(folder), "run_name": label}
        is_service = takes(find(f"logger.{key}", config), "project")  # Weights & Biases: a version is an id there
        told |= {"name": label} if is_service else {"name": key, "version": version}
        loggers.append(build(f"logger.{key}", config, **{k: v for k, v in told.items() if k not in config}))
    return loggers
