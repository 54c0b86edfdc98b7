"""Classification: one class of C per example, by softmax and cross-entropy."""

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dnnx.basics.errors import require
from dnnx.tasks.metric import Metric
from dnnx.tasks.scores import cross_entropy, multiclass
from dnnx.tasks.task import Task

NUM_HARDEST = 32
SHARE = Metric(unit="%", better="higher")
MACRO = Metric(unit="%", better="higher", note="Precision, recall and F1 are macro averages over the classes.")


class Classification(Task):
    """Outputs are logits [N, C], labels y [N] are 0 to C-1."""

    curves = ("loss", "accuracy")
    metrics: Mapping[str, Metric] = {
        "loss": Metric(better="lower"),
        **dict.fromkeys(("accuracy", "precision", "recall", "f1", "class_accuracy"), SHARE),
        "precision": MACRO,
        "confusion": Metric(),
    }
    has_classes = True

    def num_outputs(self, data: Any) -> int | None:
        told = "the targets are numbers, not classes; type task=regression, or data.kind=classes"
        require(data.num_classes is not None, "task", "classification", told)
        return data.num_classes

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(outputs, y)

    def differentiated(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        log_p, index = outputs.log_softmax(-1), y[:, None]
        loss = log_p.gather(1, index)[:, 0].neg_()
        return loss, log_p.exp_().scatter_add_(1, index, outputs.new_full((1, 1), -1.0).expand_as(index))

    def per_example(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"accuracy": outputs.argmax(-1) == y}

    def measure(self, outputs: Tensor, y: Tensor, **chosen: Any) -> dict[str, Any]:
        return multiclass(outputs, y, self.loss) | self.by_function(outputs, y)

    def ensemble(self, outputs: Tensor) -> Tensor:
        """Return the log of the mean probability: [S, N, C] -> [N, C]."""
        alive = outputs.double().log_softmax(-1)
        return alive.logsumexp(0) - math.log(len(alive))

    def ensemble_metrics(self) -> tuple[str, ...]:
        return ("accuracy", "loss")

    def predictions(self, outputs: Tensor, y: Tensor, ensemble: Tensor | None, data: Any) -> dict[str, Tensor]:
        """Return labels, probabilities [R, N, C], and the examples whose class the ensemble finds least probable."""
        assert ensemble is not None
        found = {"labels": y, "probabilities": outputs.softmax(-1)}
        pictures = getattr(data, "test_pictures", None)
        if pictures is None or y.dim() > 1:
            return found
        true = ensemble.gather(1, y[:, None])[:, 0]
        index = true.topk(min(NUM_HARDEST, len(y)), largest=False).indices
        return found | {"hardest_index": index, "hardest_images": pictures(index)}


def smoothed_cross_entropy(outputs: Tensor, y: Tensor, share: float) -> Tensor:
    """Return the cross-entropy with smoothed labels (Szegedy et al. 2016): [N, C], [N] -> [N]."""
    return F.cross_entropy(outputs, y, reduction="none", label_smoothing=share)


def stack_with_zero(z: Tensor) -> Tensor:
    """Return the two logits (0, z), [..., 2], that are equivalent to one logit z [...]."""
    return torch.stack([torch.zeros_like(z), z], -1)
