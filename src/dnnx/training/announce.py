"""The lines that a training prints before its first epoch: networks, way, device, data, and a busy machine."""

from typing import Any

import torch
from omegaconf import DictConfig

from dnnx.basics.console import console, warn, warn_at_once
from dnnx.basics.counts import many
from dnnx.basics.machine import busy_note


def announce(cfg: DictConfig, facts: dict[str, Any], module: Any, trainer: Any) -> None:
    """Print the networks, the data and the device of a training that starts."""
    num = module.replicas.num_replicas
    params = sum(p.numel() for p in module.parameters()) // num
    sizes = ", ".join(f"{n:,} {split}" for split, n in facts["sizes"].items())
    size = f"{params:,} parameters{' each' if num > 1 else ''}"
    console.print(f"{cfg.name}: {many(num, 'network')} of {size}, on {trainer.strategy.root_device}")
    show_way(module)
    console.print(f"data: {facts['note']}: {sizes}", soft_wrap=True)
    warn(facts["warning"])
    for doubt in module.replicas.doubts:
        warn_at_once(doubt)
    warn_if_busy(cfg)


def warn_if_busy(cfg: DictConfig) -> None:
    """Warn at the start of a single run if the machine is busy; a study gives its workers one thread each."""
    if cfg.arm is None:
        warn(busy_note(torch.get_num_threads()))


def show_way(module: Any) -> None:
    """Print the way in which the replicas run, and why the faster ways were refused."""
    replicas = module.replicas
    if replicas.num_replicas > 1:
        console.print(f"replicas: {replicas.way}")
    for way, why in replicas.refused.items():
        console.print(f"not {way}: {why}", soft_wrap=True)
