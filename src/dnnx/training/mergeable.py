"""Decide which arms may train as one network, and whether that is faster."""

import json
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import nn

from dnnx.config.trust import known_targets
from dnnx.data.arrays import ArrayData
from dnnx.nets.layers.dropout import Dropout
from dnnx.training.batched import is_declared
from dnnx.training.callbacks.checkpoint import Checkpoint
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.callbacks.progress import Progress
from dnnx.training.callbacks.record import Record
from dnnx.training.module import ReplicaModule
from dnnx.training.ways import build_net

CALLBACKS = (EarlyStopping, Checkpoint, Record, Progress)
MAX_PRODUCTS = 2_000_000  # in a forward pass of all seeds of an arm; on a CPU larger ones gain nothing (docs/speed.md)
SAME = ("data", "task", "metrics", "trainer", "replicas", "fast", "packages")  # keys that such arms have in common
Node = DictConfig | ListConfig


def kind_of(cfg: DictConfig, num: int, data: Any, module: ReplicaModule, trainer: Any) -> str:
    """Return a text that is equal for arms that may train as one network; "" for an arm that trains alone.

    `num` is the number of its seeds; `module` may be built for fewer.
    """
    if not (_is_separate(cfg, data, module, trainer) and _is_worth_it(num, data, module)):
        return ""
    net = build_net(module.build, 0)
    layers = [(name, _shown(layer)) for name, layer in net.named_modules() if not any(layer.children())]
    tensors = [(name, list(value.shape), value.requires_grad) for name, value in net.state_dict(keep_vars=True).items()]
    keys = [*SAME, *([] if vars(type(net)).get("told_by_layers", False) else ["net"])]
    nodes = {key: cfg.get(key) for key in keys}
    same = {key: OmegaConf.to_container(v, resolve=True) if isinstance(v, Node) else v for key, v in nodes.items()}
    return json.dumps([same, type(net).__qualname__, layers, tensors], default=str, sort_keys=True)


def _shown(layer: nn.Module) -> str:
    """Return a layer with its settings; each arm may have its own rate of dropout."""
    return type(layer).__name__ if isinstance(layer, Dropout) else repr(layer)


def _is_separate(cfg: DictConfig, data: Any, module: ReplicaModule, trainer: Any) -> bool:
    """Return whether the networks, data and techniques of an arm act on its own tensors alone."""
    replicas = module.replicas
    plain = cfg.get("backbone") is None and "lr_search" not in cfg and not cfg.get("logger") and cfg.resume is None
    return (
        plain
        and isinstance(data, ArrayData)
        and cfg.data.get("_target_") in known_targets()  # a class of the user's may draw other examples each time
        and not data.features
        and module.start == 0
        and all(type(callback) in CALLBACKS for callback in trainer.callbacks)
        and all(vars(type(technique)).get("mergeable", False) for technique in module.techniques.values())
        and all(p.requires_grad for p in replicas.net.parameters())
        and not replicas.draws
        and (replicas.way == "batched" or (not replicas.stacked and is_declared(replicas.net)))
    )


def _is_worth_it(num: int, data: ArrayData, module: ReplicaModule) -> bool:
    """Return whether arms of such networks are faster as one: on a GPU, and on a CPU if they are small."""
    first = next(module.parameters())
    if first.device.type != "cpu":
        return True
    weights = sum(p.numel() for p in module.trained) // module.replicas.num_replicas
    return module.by_hand.why_not is None and num * weights * data.batch_size <= MAX_PRODUCTS
