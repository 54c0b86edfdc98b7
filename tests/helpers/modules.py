"""Modules of R networks for tests, from the sizes of data that need not be there."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

from dnnx.nets.autoencoder import Autoencoder
from dnnx.nets.dense import DenseNet
from dnnx.nets.twin_tower import TwinTower
from dnnx.tasks.classification import Classification
from dnnx.tasks.pairs import Pairs
from dnnx.tasks.reconstruction import Reconstruction
from dnnx.tasks.task import Task
from dnnx.techniques.base import Technique
from dnnx.techniques.clipping import Clipping
from dnnx.techniques.label_smoothing import LabelSmoothing
from dnnx.techniques.max_norm import MaxNorm
from dnnx.techniques.penalty import Penalty
from dnnx.training.module import ReplicaModule

Net = Mapping[str, Any]


def make(
    kind: type,
    task: Task,
    in_shape: Sequence[int],
    net: Net,
    seeds: Sequence[int],
    *techniques: Technique,
    **factories: Any,
) -> ReplicaModule:
    """Return the module of nets `kind(in_shape, **net)`."""
    named = {type(technique).__name__: technique for technique in techniques}
    return ReplicaModule(partial(kind, in_shape, **net), task, seeds, in_shape, named, **factories)


def classifier(
    features: int, classes: int, net: Net, seeds: Sequence[int], *techniques: Technique, **factories: Any
) -> ReplicaModule:
    """Return a module of DenseNets that tell classes."""
    sized = {"num_outputs": classes, **net}
    return make(DenseNet, Classification(), (features,), sized, seeds, *techniques, **factories)


def pairs(features: int, net: Net, seeds: Sequence[int], *techniques: Technique, **factories: Any) -> ReplicaModule:
    """Return a module of twin towers."""
    return make(TwinTower, Pairs(), (2, features), net, seeds, *techniques, **factories)


def autoencoder(
    features: int, net: Net, seeds: Sequence[int], *techniques: Technique, **factories: Any
) -> ReplicaModule:
    """Return a module of autoencoders."""
    return make(Autoencoder, Reconstruction(), (features,), net, seeds, *techniques, **factories)


def sizes(features: int, classes: int) -> SimpleNamespace:
    """Return what a task asks of data."""
    return SimpleNamespace(in_shape=(features,), num_classes=classes)


def techniques(
    l1: float = 0.0,
    l2: float = 0.0,
    max_norm: float | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    label_smoothing: float | None = None,
) -> list[Technique]:
    """Return the techniques that these arguments switch on."""
    found: list[Technique] = [Penalty(l1, l2)] if l1 or l2 else []
    found += [MaxNorm(max_norm)] if max_norm is not None else []
    found += [Clipping(clip_norm, clip_value)] if clip_norm is not None or clip_value is not None else []
    return [*found, LabelSmoothing(label_smoothing)] if label_smoothing is not None else found
