"""Builds what a config names: allowed targets only, every argument checked against what is there."""

import inspect
import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import hydra
import torch
from hydra.errors import InstantiationException
from lightning.pytorch import Trainer
from omegaconf import DictConfig, OmegaConf
from torch.optim.lr_scheduler import ReduceLROnPlateau

from dnnx.errors import UserError, check_arguments, require

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # no tips, no list of absent devices
warnings.filterwarnings("ignore", message=".*LeafSpec")  # Lightning 2.6 on torch 2.15
warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode")  # frozen layers are

# Lightning sets it, and torch's optimizers then search for an NVIDIA driver in every step: 0.4 ms.
os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)

ALLOWED = ("dnnx.", "torch.", "lightning.", "torchmetrics.", "optuna.")


def build(key: str, config: DictConfig, **arguments: Any) -> Any:
    """Instantiates the config group `key`; a wrong target, argument or value is a UserError that names it."""
    target = config.get("_target_") if isinstance(config, DictConfig) else None
    packages = ", ".join(name.rstrip(".") for name in ALLOWED)
    require(
        isinstance(target, str) and target.startswith(ALLOWED), f"{key}._target_", target,
        f"the path of a class or function in one of {packages}",
    )  # fmt: skip
    try:
        function = hydra.utils.get_object(str(target))
    except Exception as error:
        raise UserError(f"{key}._target_={target}: {' '.join(str(error).split())}") from None
    check_arguments(key, function, (str(name) for name in config if not str(name).startswith("_")))
    with naming(key):
        return hydra.utils.instantiate(config, **arguments, _recursive_=False, _convert_="all")


def build_scheduler(config: DictConfig, **known: Any) -> partial[Any]:
    """The factory of a schedule, told of `known` whatever it asks for: steps_per_epoch, num_replicas."""
    factory = build("scheduler", config)
    require(
        factory.func is not ReduceLROnPlateau, "scheduler._target_", config._target_,
        "one rate for all seeds would tie them together; type scheduler=performance",
    )  # fmt: skip
    asked = inspect.signature(factory.func).parameters
    return partial(factory, **{name: value for name, value in known.items() if name in asked})


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Turns what a constructor says of a bad value into a UserError that names the config group."""
    try:
        yield
    except (TypeError, ValueError, InstantiationException) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) else error
        if isinstance(cause, UserError | OSError):
            raise cause from None
        if isinstance(cause, TypeError | ValueError) or type(cause).__name__ == "MisconfigurationException":
            raise UserError(f"{key}: {' '.join(str(cause).split())}") from None
        raise


def build_data(cfg: DictConfig, seeds: list[int]) -> Any:
    """The data module of a run, with its splits in memory."""
    data = build("data", cfg.data, seeds=seeds)
    data.setup()
    return data


def build_module(cfg: DictConfig, data: Any, seeds: list[int], **factories: Any) -> Any:
    """The LightningModule of a run, its networks sized for `data`; `factories` are those of the optimizer."""
    net = OmegaConf.to_container(cfg.net, resolve=True)
    sizes = {"in_features": math.prod(data.in_shape), "num_classes": data.num_classes}
    return build("module", cfg.module, net=net, seeds=seeds, **sizes, **factories)


def choose_device(accelerator: str) -> torch.device:
    """The device that Lightning's Trainer takes for `accelerator`."""
    with naming("accelerator"):
        trainer = Trainer(accelerator=accelerator, devices=1, logger=False, enable_checkpointing=False)
    return trainer.strategy.root_device
