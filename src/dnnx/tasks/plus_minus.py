"""PlusMinus: two classes as the numbers -1 and +1, by squared error."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.errors import require
from dnnx.tasks.boundary import boundary
from dnnx.tasks.metric import SHARE, Metric
from dnnx.tasks.scores import binary
from dnnx.tasks.task import Task, of_one_unit


class PlusMinus(Task):
    """Half the squared error between an output and -1 (class 0) or +1 (class 1), as in TensorFlow Playground.

    An output of 0 for all examples has the loss 0.5. With `squash` the output passes through tanh first.
    """

    curves = ("loss", "accuracy")
    metrics: Mapping[str, Metric] = {
        "loss": Metric(better="lower"),
        **dict.fromkeys(("accuracy", "precision", "recall", "f1", "auc"), SHARE),
        "confusion": Metric(),
    }

    def __init__(self, squash: bool = True):
        self.squash = squash

    def num_outputs(self, data: Any) -> int | None:
        told = "two classes are needed; type task=classification or task=regression"
        require(data.num_classes == 2, "task", "plus_minus", told)
        return 1

    def read(self, outputs: Tensor) -> Tensor:
        outputs = of_one_unit(outputs)
        return outputs.tanh() if self.squash else outputs

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return 0.5 * (outputs - (2 * y - 1)).square()

    def per_example(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"accuracy": (outputs > 0) == (y > 0)}

    def measure(self, outputs: Tensor, y: Tensor, **chosen: Any) -> dict[str, Any]:
        two = torch.stack([-outputs, outputs], -1)
        found = binary(two, y)
        kept = {name: found[name] for name in self.metrics if name in found}
        return kept | super().measure(outputs, y)

    def ensemble(self, outputs: Tensor) -> Tensor:
        return outputs.double().mean(0)

    def exhibits(self, module: Any, data: Any) -> dict[str, Tensor]:
        return boundary(module, data, torch.clone)
