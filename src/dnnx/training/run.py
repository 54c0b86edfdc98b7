"""Run: the view of a training that checks look at, before its first step and after its last."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig
from torch import Tensor, nn

from dnnx.basics.at_work import must, verify
from dnnx.techniques.base import verify_techniques
from dnnx.training.callbacks.record import Record
from dnnx.training.checks import TRAINING_CHECKS


class Run:
    """The state [R, ...] of the networks at the start and the end of a training, and the records in between.

    `recorded` maps a metric of metrics.csv, such as val/loss, to its values by (seed, epoch). The checks are those of
    training, data, task and net (their attribute `checks`) and of every technique.
    """

    def __init__(self, cfg: DictConfig, data: Any, module: Any, trainer: Any):
        self.cfg, self.data, self.module, self.trainer, self.net = cfg, data, module, trainer, module.replicas.net
        self.start = self.end = _state(module)
        self.metrics: dict[str, list] = {}
        self._verify("before")

    def trained(self) -> None:
        """Note the end of training; call it before the best weights are loaded."""
        self.end = _state(self.module)

    def verify(self, metrics: dict[str, list]) -> None:
        """Raise NotAtWork with the name of a technique that the config names and the run does not show."""
        self.metrics, self.recorded = metrics, _read(Record.of(self.trainer).rows)
        self._verify("after")

    def _verify(self, when: str) -> None:
        checked = (self.data, self.module.task, self.net)
        checks = [check for part in checked for check in getattr(part, "checks", ())]
        verify([*TRAINING_CHECKS, *checks], when, self)
        verify_techniques(self.module.techniques, when, self)

    @property
    def steps(self) -> int:
        return self.trainer.global_step

    def trainable(self) -> list[str]:
        """Return the names of the parameters that are trained."""
        return [name for name, p in self.net.named_parameters() if p.requires_grad]

    def layers(self, kind: type[nn.Module]) -> dict[str, Any]:
        """Return the layers of a kind by name."""
        return {name: layer for name, layer in self.net.named_modules() if isinstance(layer, kind)}

    def active(self, layers: Iterable[str]) -> list[str]:
        """Return those that are in training mode while the network trains; frozen ones are not."""
        self.module.train()
        return [name for name in layers if self.net.get_submodule(name).training]

    def moved(self, name: str) -> Tensor:
        """Return for each replica, [R], whether this part of its state differs from the start."""
        return (self.end[name] != self.start[name]).view(len(self.end[name]), -1).any(1)

    def counted(self, layers: Iterable[str], counter: str) -> None:
        """Check that each of these layers ran once in every step, a shared tower once for each image of the pair."""
        each = 2 if self.cfg.net.get("shared") else 1
        expected = [each * steps for steps in self.module.replicas.steps_of_each(self.steps)]
        for name in layers:
            counts = (self.end[f"{name}.{counter}"] - self.start[f"{name}.{counter}"]).flatten().tolist()
            must(counts == expected, f"{name} ran {counts} times and not {expected}")


def _state(module: Any) -> dict[str, Tensor]:
    return {name: value.detach().to("cpu", copy=True) for name, value in module.replicas.stacked_state().items()}


def _read(rows: list[str]) -> dict[str, dict[tuple[int, int], float]]:
    recorded: dict[str, dict[tuple[int, int], float]] = defaultdict(dict)
    for epoch, split, metric, seed, value in csv.reader("".join(rows).splitlines()):
        if split in ("train", "val", "optimizer"):
            recorded[f"{split}/{metric}"][int(seed), int(epoch)] = float(value)
    return recorded
