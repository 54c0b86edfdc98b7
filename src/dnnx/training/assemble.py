"""Assemble a run from its config: data, module and trainer, after a check of every user's choice."""

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from dnnx.basics.errors import require, takes
from dnnx.config.build import build, find, naming
from dnnx.config.callbacks import chosen_callbacks
from dnnx.config.trust import known_targets
from dnnx.data import shared
from dnnx.data.arrays import ArrayData
from dnnx.data.lightning import SETTINGS, is_complete, wrap
from dnnx.nets.layers.self_normalizing import check_input
from dnnx.optim.checks import build_optimizer, build_scheduler, check_schedule
from dnnx.tasks.own_metrics import add_metrics, build_metrics
from dnnx.training.doubts import doubt_of, unreached
from dnnx.training.dropout_on import require_dropout
from dnnx.training.module import ReplicaModule
from dnnx.training.trainer import bare_trainer, build_loggers, build_trainer
from dnnx.training.whole_numbers import settle_inputs

FEW = 8  # examples of a first look at the outputs
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def build_data(cfg: DictConfig, seeds: list[int]) -> Any:
    """Return the data module of a run, with its splits in memory or streamed. A class that is not dnnx's is wrapped."""
    function, plain = find("data", cfg.data), _plain(cfg.data)
    if is_complete(function):
        data = build("data", cfg.data, seeds=seeds)
        shared.adopt(data, plain)
        data.setup()
        return data
    own = {str(name): cfg.data[name] for name in cfg.data if name not in SETTINGS or takes(function, str(name))}
    settings = {name: value for name, value in plain.items() if name not in own}
    source = build("data", OmegaConf.create(own), seeds=seeds, train=True)
    test = build("data", OmegaConf.create(own), seeds=seeds, train=False) if takes(function, "train") else None
    with naming("data", function):
        data = wrap(source, test, seeds, **settings)
        data.setup()
    return data


def share_data(config: DictConfig) -> str | None:
    """Prepare the data of a config once for the processes that are forked from this one; return the key to drop it by.

    Return None for data of the user's own class, which each job reads by itself.
    """
    function = find("data", config) if config.get("_target_") in known_targets() else None
    if not (isinstance(function, type) and issubclass(function, ArrayData)):
        return None
    return shared.keep(build("data", config, seeds=[0]), _plain(config))


def _plain(config: DictConfig) -> Any:
    return OmegaConf.to_container(config, resolve=True)


def build_module(cfg: DictConfig, data: Any, seeds: list[int], **factories: Any) -> ReplicaModule:
    """Return the LightningModule of a run, with networks sized for `data`. `factories` are those of the optimizer."""
    task = build("task", cfg.task)
    add_metrics(task, build_metrics(cfg))
    sizes = {"in_shape": data.in_shape, "num_outputs": task.num_outputs(data)}

    def build_net() -> torch.nn.Module:
        return build("net", cfg.net, **sizes)

    settle_inputs(data, build_net, seeds[0])
    chosen = cfg.get("techniques") or {}
    techniques = {str(name): build(f"techniques.{name}", config) for name, config in chosen.items()}
    way, fast = cfg.get("replicas") or "auto", cfg.get("fast", True)
    require(isinstance(fast, bool), "fast", fast, "true or false")
    return ReplicaModule(build_net, task, seeds, data.in_shape, techniques, way=way, fast=fast, **factories)


def assemble(cfg: DictConfig, seeds: list[int], folder: Path, data: Any = None) -> tuple[Any, Any, Any]:
    """Return data module, LightningModule and trainer, after a check of every user's choice.

    If `data` is given, it is used unchanged.
    """
    data = data or build_data(cfg, seeds)
    callbacks = [build(f"callbacks.{name}", callback) for name, callback in chosen_callbacks(cfg).items()]
    trainer = build_trainer(cfg.trainer, folder, callbacks, build_loggers(cfg, folder))
    data.trainer = trainer  # it knows the epoch, and without it there are no batches to count
    data.check_batch_size(1)
    steps = len(data.train_dataloader().batches)
    optimizer, trial = build_optimizer(cfg.optimizer, len(seeds))
    scheduler = build_scheduler(cfg.scheduler, steps_per_epoch=steps, num_replicas=len(seeds))
    check_schedule(scheduler, trial, cfg.trainer.max_epochs)
    module = build_module(cfg, data, seeds, optimizer=optimizer, scheduler=scheduler)
    if any(isinstance(layer, BATCH_NORMS) for layer in module.replicas.net.modules()):
        data.check_batch_size(2)
    told = "it has no parameter that is trained; a net needs one or more"
    require(bool(module.trained), "net", cfg.net.get("_target_"), told)
    check_length(module, cfg.trainer.max_epochs)
    for technique in module.techniques.values():
        technique.start()
    data.to(trainer.strategy.root_device)
    check_fit(module, data)
    if cfg.net.get("self_normalizing"):
        check_input(data.eval_dataloader("train"), len(data.in_shape))
    if cfg.get("mc_dropout"):
        require_dropout(module, cfg.mc_dropout)
    return data, module, trainer


def check_length(module: ReplicaModule, last: int) -> None:
    """Raise UserError if training ends before the first epoch whose weights a technique allows."""
    for name, technique in module.techniques.items():
        told = f"training ends before, with epoch {last}; type a lower one or more trainer.max_epochs"
        first = technique.first_epoch
        require(first <= last, f"techniques.{name}.{technique.first_epoch_key}", first, told)


@torch.no_grad()
def check_fit(module: ReplicaModule, data: Any) -> None:
    """Raise UserError if the outputs of a few validation examples do not fit the task; note a doubt about them."""
    x, y, *_ = next(iter(data.eval_dataloader("val")))
    few = slice(0, FEW)
    x, y = (x[few], y[few]) if module.is_shared(x) else (x[:, few], y[:, few])
    module.to(x.device).eval()
    outputs = module(x)
    found = type(outputs).__name__
    require(isinstance(outputs, torch.Tensor), "net", found, "its forward must return one tensor [B, ...]")
    targets = module.targets(x, y, outputs)
    module.task.check_outputs(outputs.flatten(0, 1), targets.flatten(0, 1))
    num = module.task.num_outputs(data)
    if module.task.has_classes and outputs.dim() == 3 and (num or 1) > 1:  # more outputs than classes would train too
        found = f"{outputs.shape[-1]} outputs for {num} classes"
        require(outputs.shape[-1] == num, "net", found, "build its last layer with num_outputs units")
    of_one = x if module.is_shared(x) else x[0]
    module.replicas.doubts = [told for told in (doubt_of(module, of_one), unreached(module, of_one)) if told]
    module.train()


def choose_device(accelerator: str) -> torch.device:
    """Return the device of Lightning's Trainer for `accelerator`."""
    with naming("accelerator"):
        return bare_trainer(accelerator).strategy.root_device
