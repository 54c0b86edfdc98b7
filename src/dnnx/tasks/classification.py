"""Classification: one class of C per example, by softmax and cross-entropy."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dnnx.basics.errors import require
from dnnx.tasks.boundary import boundary
from dnnx.tasks.metric import SHARE, Metric
from dnnx.tasks.scores import cross_entropy, multiclass, top_k
from dnnx.tasks.task import Task

NUM_HARDEST = 32
MACRO = Metric(unit="%", better="higher", note="Precision, recall and F1 are macro averages over the classes.")


class Classification(Task):
    """Outputs are logits [N, C], labels y [N] are 0 to C-1.

    Args: top: also measure the share of examples whose label is among so many most probable classes, as `top<k>`.
    """

    curves = ("loss", "accuracy")
    metrics: Mapping[str, Metric] = {
        "loss": Metric(better="lower"),
        **dict.fromkeys(("accuracy", "precision", "recall", "f1", "class_accuracy"), SHARE),
        "precision": MACRO,
        "confusion": Metric(),
    }
    has_classes = True
    takes_logits = True
    top: int | None = None

    def __init__(self, top: int | None = None):
        self.top = top
        if top is not None:
            told = "a whole number of at least 2: the label is among so many most probable classes"
            require(type(top) is int and top >= 2, "task.top", top, told)
            self.metrics = {**type(self).metrics, f"top{top}": SHARE}

    def num_outputs(self, data: Any) -> int | None:
        told = "the targets are numbers, not classes; type task=regression, or data.kind=classes"
        require(data.num_classes is not None, "task", "classification", told)
        return data.num_classes

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(outputs, y)

    def differentiated(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        log_p = outputs.log_softmax(-1)
        loss = F.nll_loss(log_p, y, reduction="none")
        return loss, log_p.exp_().scatter_(1, y[:, None], -1.0, reduce="add")

    def per_example(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"accuracy": outputs.argmax(-1) == y}

    def measure(self, outputs: Tensor, y: Tensor, **chosen: Any) -> dict[str, Any]:
        found = multiclass(outputs, y, self.loss) | self.by_function(outputs, y)
        return found if self.top is None else found | {f"top{self.top}": top_k(outputs, y, self.top)}

    def estimated(self, estimator: Any, x: Any) -> Tensor:
        """Return the logarithms of an estimator's probabilities, [N, C]."""
        told = "it gives no probabilities of classes; type baseline=logistic, or another with predict_proba"
        require(hasattr(estimator, "predict_proba"), "baseline", type(estimator).__name__, told)
        p = torch.from_numpy(np.asarray(estimator.predict_proba(x), dtype=np.float64))
        return p.clamp(min=torch.finfo(torch.float32).tiny).log().float()

    def exhibits(self, module: Any, data: Any) -> dict[str, Tensor]:
        return boundary(module, data, lambda outputs: outputs[..., 1] - outputs[..., 0])

    def ensemble(self, outputs: Tensor) -> Tensor:
        """Return the log of the mean probability: [S, N, C] -> [N, C]."""
        alive = outputs.double().log_softmax(-1)
        return alive.logsumexp(0) - math.log(len(alive))

    def ensemble_metrics(self) -> tuple[str, ...]:
        return ("accuracy", "loss")

    def predictions(self, outputs: Tensor, y: Tensor, ensemble: Tensor | None, data: Any) -> dict[str, Tensor]:
        """Return labels, probabilities [R, N, C], and the examples whose class the ensemble finds least probable."""
        if ensemble is None:  # each seed has its own test examples
            return {}
        found = {"labels": y, "probabilities": outputs.softmax(-1)}
        pictures = getattr(data, "test_pictures", None)
        if pictures is None or y.dim() > 1:
            return found
        true = ensemble.gather(1, y[:, None])[:, 0]
        index = true.topk(min(NUM_HARDEST, len(y)), largest=False).indices
        return found | {"hardest_index": index, "hardest_images": pictures(index)}


def stack_with_zero(z: Tensor) -> Tensor:
    """Return the two logits (0, z), [..., 2], that are equivalent to one logit z [...]."""
    return torch.stack([torch.zeros_like(z), z], -1)
