"""Builds what a config names: allowed targets only, every argument checked against what is there."""

import inspect
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.errors import InstantiationException
from lightning.pytorch import Trainer
from omegaconf import DictConfig, OmegaConf
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from dnnx.basics.errors import UserError, check_arguments, is_number, is_out_of_memory, require, shown
from dnnx.evaluation.mc_dropout import require_dropout
from dnnx.nets.layers.self_normalizing import check_input
from dnnx.optim.schedules import Performance
from dnnx.training.module import ReplicaModule

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # no tips, no list of absent devices
warnings.filterwarnings("ignore", message=".*LeafSpec")  # Lightning 2.6 on torch 2.15
warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode")  # frozen layers are

# Lightning sets it, and torch's optimizers then search for an NVIDIA driver in every step: 0.4 ms.
os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)

ALLOWED = ("dnnx.", "torch.", "lightning.", "torchmetrics.", "optuna.")
FEW = 8  # examples of a first look at the outputs
OF_HYDRA = ("_target_", "_partial_")  # keys that are no argument


def build(key: str, config: DictConfig, factory: bool = False, **arguments: Any) -> Any:
    """Instantiates the config group `key`, or with `factory` makes the factory that it is; a wrong target, argument or
    value is a UserError that names it."""
    function = resolve(key, config)
    given: Any = OmegaConf.to_container(config, resolve=True)
    found = given.get("_partial_", False)
    require(found is factory, f"{key}._partial_", found, f"leave it as it is in conf/{key.split('.')[0]}/")
    check_arguments(key, function, {name: value for name, value in given.items() if name not in OF_HYDRA})
    with naming(key):
        return hydra.utils.instantiate(config, **arguments, _recursive_=False, _convert_="all")


def resolve(key: str, config: DictConfig) -> Any:
    """The class or function that the group `key` names; UserError for one that is not allowed or not there."""
    target = config.get("_target_") if isinstance(config, DictConfig) else None
    packages = ", ".join(name.rstrip(".") for name in ALLOWED)
    require(
        isinstance(target, str) and target.startswith(ALLOWED), f"{key}._target_", shown(target),
        f"the path of a class or function in one of {packages}",
    )  # fmt: skip
    try:
        function = hydra.utils.get_object(str(target))
    except Exception as error:
        raise UserError(f"{key}._target_={target}: {' '.join(str(error).split())}") from None
    require(
        _is_ours(function), f"{key}._target_", target,
        f"a class that is defined in one of {packages}, or a class or function of dnnx",
    )  # fmt: skip
    return function


def _is_ours(function: Any) -> bool:
    """Not torch.load, which would run what a file says, nor torch.os.system."""
    valid = ALLOWED if isinstance(function, type) else "dnnx."
    return str(getattr(function, "__module__", "")).startswith(valid)


def build_scheduler(config: DictConfig, **known: Any) -> partial[Any]:
    """The factory of a schedule, told of `known` whatever it asks for: steps_per_epoch, num_replicas."""
    factory = build("scheduler", config, factory=True)
    require(
        factory.func is not ReduceLROnPlateau, "scheduler._target_", config._target_,
        "one rate for all seeds would tie them together; type scheduler=performance",
    )  # fmt: skip
    milestones, length = factory.keywords.get("milestones", [1]), factory.keywords.get("T_max", 1)
    require(
        isinstance(milestones, list) and bool(milestones) and all(type(e) is int and e >= 1 for e in milestones),
        "scheduler.milestones", milestones,
        "a list of whole numbers of epochs, for example scheduler.milestones=[10,20]",
    )  # fmt: skip
    require(length >= 1, "scheduler.T_max", length, "a number of epochs, at least 1")
    asked = inspect.signature(factory.func).parameters
    told = {name: value for name, value in known.items() if name in asked}
    return partial(factory.func, **factory.keywords | told)


def build_optimizer(config: DictConfig, num_replicas: int) -> tuple[partial[Any], Optimizer]:
    """The factory of an optimizer, and one of nothing, to try a schedule with."""
    factory = build("optimizer", config, factory=True)
    rate = factory.keywords.get("lr", 1)  # torch would not name the key
    valid = is_number(rate) and 0 < rate < float("inf")
    require(valid, "optimizer.lr", shown(rate), "a number above 0, for example optimizer.lr=1e-3")
    with naming("optimizer"):
        trial = factory([torch.nn.Parameter(torch.zeros(num_replicas))])
    for name in ("momentum", "alpha", "dampening"):  # torch takes more, and the loss is then no number
        share = trial.defaults.get(name, 0)
        require(0 <= share < 1, f"optimizer.{name}", share, f"a share in [0, 1), for example optimizer.{name}=0.9")
    return factory, trial


def check_schedule(factory: partial[Any], optimizer: Optimizer, epochs: int) -> None:
    """UserError unless the schedule gives `optimizer` a finite rate of at least 0 in all its epochs, or steps."""
    given = ", ".join(f"{name}={value}" for name, value in factory.keywords.items())
    if factory.func is OneCycleLR and factory.keywords.get("cycle_momentum", True):
        momentum = optimizer.defaults.get("betas", [optimizer.defaults.get("momentum")])[0]
        require(
            bool(momentum), "scheduler", "one_cycle", f"it moves the momentum, and this {type(optimizer).__name__} has "
            "none; type +scheduler.cycle_momentum=false, or for example optimizer=nesterov",
        )  # fmt: skip
    try:
        schedule = factory(optimizer)
        optimizer.step()  # torch warns of a schedule that is stepped first
        for _ in range(epochs * factory.keywords.get("steps_per_epoch", 1)):
            group = optimizer.param_groups[0]
            rate, momentum = group["lr"], group["betas"][0] if "betas" in group else group.get("momentum", 0)
            require(0 <= rate < float("inf"), "scheduler", given, f"it takes the learning rate to {rate:g}")
            require(0 <= momentum < 1, "scheduler", given, f"it takes the momentum to {momentum:g}")
            if not isinstance(schedule, Performance):  # it follows the validation loss
                schedule.step()
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UserError(f"scheduler={given}: {' '.join(str(error).split())}") from None


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Turns what a constructor says of a bad value into a UserError that names the config group."""
    try:
        yield
    except (TypeError, ValueError, RuntimeError, InstantiationException) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        if isinstance(cause, UserError | OSError) or is_out_of_memory(cause):
            raise cause from None
        misconfigured = type(cause).__name__ == "MisconfigurationException"
        if isinstance(cause, TypeError | ValueError | RuntimeError) or misconfigured:
            raise UserError(f"{key}: {' '.join(str(cause).split())}") from None
        raise


def build_data(cfg: DictConfig, seeds: list[int]) -> Any:
    """The data module of a run, with its splits in memory."""
    data = build("data", cfg.data, seeds=seeds)
    data.setup()
    return data


def net_factory(config: DictConfig, **known: Any) -> Callable[[], torch.nn.Module]:
    """Return a function that builds one network; of `known` the constructor gets the arguments that it takes."""
    kind = resolve("net", config)
    given: Any = OmegaConf.to_container(config, resolve=True)
    given = {name: value for name, value in given.items() if name not in OF_HYDRA}
    check_arguments("net", kind, given)
    asked = inspect.signature(kind).parameters
    told = {name: value for name, value in known.items() if name in asked}

    def build_one() -> torch.nn.Module:
        with naming("net"):
            return kind(**told, **given)

    return build_one


def build_module(cfg: DictConfig, data: Any, seeds: list[int], **factories: Any) -> ReplicaModule:
    """The LightningModule of a run, its networks sized for `data`; `factories` are those of the optimizer."""
    task = build("task", cfg.task)
    net = net_factory(cfg.net, in_shape=data.input_shape, num_outputs=task.num_outputs(data))
    chosen = cfg.get("techniques") or {}
    techniques = {str(name): build(f"techniques.{name}", config) for name, config in chosen.items()}
    return ReplicaModule(net, task, seeds, data.input_shape, techniques, **factories)


def assemble(cfg: DictConfig, seeds: list[int], folder: Path, data: Any = None) -> tuple[Any, Any, Any]:
    """The data module, the LightningModule and the trainer, with everything that a user can get wrong tried.

    `data` is taken as it is, where it is already there.
    """
    data = data or build_data(cfg, seeds)
    callbacks = [build(f"callbacks.{name}", callback) for name, callback in cfg.callbacks.items()]
    trainer = build("trainer", cfg.trainer, callbacks=callbacks, default_root_dir=str(folder))
    data.trainer = trainer  # it knows the epoch, and without it there are no batches to count
    data.check_batch_size(1)
    steps = len(data.train_dataloader().batches)
    optimizer, trial = build_optimizer(cfg.optimizer, len(seeds))
    scheduler = build_scheduler(cfg.scheduler, steps_per_epoch=steps, num_replicas=len(seeds))
    check_schedule(scheduler, trial, cfg.trainer.max_epochs)
    module = build_module(cfg, data, seeds, optimizer=optimizer, scheduler=scheduler)
    if any(isinstance(layer, _BatchNorm) for layer in module.replicas.net.modules()):
        data.check_batch_size(2)
    check_length(module, cfg.trainer.max_epochs)
    for technique in module.techniques.values():
        technique.start()
    data.to(trainer.strategy.root_device)
    check_fit(module, data)
    if cfg.net.get("self_normalizing"):
        check_input(data.eval_dataloader("train"))
    if cfg.get("mc_dropout"):
        require_dropout(module, cfg.mc_dropout)
    return data, module, trainer


def check_length(module: ReplicaModule, last: int) -> None:
    """UserError where training ends before a technique lets an epoch be the best."""
    for name, technique in module.techniques.items():
        told = f"training ends before, with epoch {last}; type a lower one or more trainer.max_epochs"
        first = technique.first_epoch
        require(first <= last, f"techniques.{name}", f"no best epoch before {first}", told)


@torch.no_grad()
def check_fit(module: ReplicaModule, data: Any) -> None:
    """UserError where the outputs of a few validation examples do not fit the task."""
    x, y, *_ = next(iter(data.eval_dataloader("val")))
    few = slice(0, FEW)
    x, y = (x[few], y[few]) if module.is_shared(x) else (x[:, few], y[:, few])
    module.to(x.device).eval()
    outputs = module(x)
    found = type(outputs).__name__
    require(isinstance(outputs, torch.Tensor), "net", found, "its forward must return one tensor [B, ...]")
    targets = module.targets(x, y, outputs)
    module.task.check_outputs(outputs.flatten(0, 1), targets.flatten(0, 1))
    module.train()


def choose_device(accelerator: str) -> torch.device:
    """The device that Lightning's Trainer takes for `accelerator`."""
    with naming("accelerator"):
        trainer = Trainer(accelerator=accelerator, devices=1, logger=False, enable_checkpointing=False)
    return trainer.strategy.root_device
