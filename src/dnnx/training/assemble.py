"""Assembles a run from its config: data, module and trainer, with everything that a user can get wrong tried."""

import logging
import math
import os
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from omegaconf import DictConfig, OmegaConf

from dnnx.basics.errors import require
from dnnx.config.build import build, naming
from dnnx.evaluation.mc_dropout import require_dropout
from dnnx.nets.layers.self_normalizing import check_input
from dnnx.optim.checks import build_optimizer, build_scheduler, check_schedule

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # no tips, no list of absent devices
warnings.filterwarnings("ignore", message=".*LeafSpec")  # Lightning 2.6 on torch 2.15
warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode")  # frozen layers are

# Lightning sets it, and torch's optimizers then search for an NVIDIA driver in every step: 0.4 ms.
os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)


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


def assemble(cfg: DictConfig, seeds: list[int], folder: Path, data: Any = None) -> tuple[Any, Any, Any]:
    """The data module, the LightningModule and the trainer, with everything that a user can get wrong tried.

    `data` is taken as it is, where it is already there.
    """
    data = data or build_data(cfg, seeds)
    callbacks = [build(f"callbacks.{name}", callback) for name, callback in cfg.callbacks.items()]
    trainer = build("trainer", cfg.trainer, callbacks=callbacks, default_root_dir=str(folder))
    data.trainer = trainer  # it knows the epoch, and without it there are no batches to count
    data.check_batch_size(2 if cfg.net.get("norm") == "batch" else 1)
    steps = len(data.train_dataloader().batches)
    optimizer, trial = build_optimizer(cfg.optimizer, len(seeds))
    scheduler = build_scheduler(cfg.scheduler, steps_per_epoch=steps, num_replicas=len(seeds))
    check_schedule(scheduler, trial, cfg.trainer.max_epochs)
    module = build_module(cfg, data, seeds, optimizer=optimizer, scheduler=scheduler)
    last = cfg.trainer.max_epochs
    require(
        module.first_epoch <= last, "module.prune_until", module.first_epoch,
        f"training ends before, with epoch {last}; type a lower one or more trainer.max_epochs",
    )  # fmt: skip
    if cfg.backbone is not None:
        module.load_backbone()
    require(
        not (cfg.module.get("cached") and data.augmentation), "data.augment", cfg.data.get("augment"),
        "features of images that change cannot be cached; type module.cached=false",
    )  # fmt: skip
    data.to(trainer.strategy.root_device)
    if cfg.net.get("self_normalizing"):
        check_input(data.eval_dataloader("train"))
    if cfg.get("mc_dropout"):
        require_dropout(module, cfg.mc_dropout)
    return data, module, trainer


def choose_device(accelerator: str) -> torch.device:
    """The device that Lightning's Trainer takes for `accelerator`."""
    with naming("accelerator"):
        trainer = Trainer(accelerator=accelerator, devices=1, logger=False, enable_checkpointing=False)
    return trainer.strategy.root_device
