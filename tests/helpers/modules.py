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
