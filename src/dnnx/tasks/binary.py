"""Binary: one of two classes per example, by one logit and binary cross-entropy."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from dnnx.basics.errors import require
from dnnx.tasks.classification import Classification, stack_with_zero
from dnnx.tasks.metric import SHARE, Metric
from dnnx.tasks.scores import binary
from dnnx.tasks.task import of_one_unit

NOTE = "Precision, recall, F1 and AUC are of class 1. The Brier score sums the squared errors of both probabilities."


class Binary(Classification):
    """The net has one logit z, [N, 1] or [N], above 0 for class 1. Labels y [N] are 0 and 1.

    The pair (0, z) holds the logits of both classes; its cross-entropy is the binary one. The confusion matrix has a
    row for each true class and a column for each predicted one: [[TN, FP], [FN, TP]].
    """

    metrics: Mapping[str, Metric] = {
        "loss": Metric(better="lower"),
        **dict.fromkeys(("accuracy", "precision", "recall", "f1"), SHARE),
        "auc": Metric(unit="%", better="higher", note=NOTE),
        "brier": Metric(better="lower"),
        "confusion": Metric(),
    }

    def num_outputs(self, data: Any) -> int | None:
        super().num_outputs(data)
        told = "the data has {} classes, two are needed; type task=classification"
        require(data.num_classes == 2, "task", "binary", told.format(data.num_classes))
        return 1

    def read(self, outputs: Tensor) -> Tensor:
        return stack_with_zero(of_one_unit(outputs))

    def measure(self, outputs: Tensor, y: Tensor, **chosen: Any) -> dict[str, Any]:
        found = binary(outputs, y, loss=self.loss)
        p = outputs.double().softmax(-1)[:, 1]
        brier = 2 * (p - y).square().mean().item()
        kept = {name: found[name] for name in self.metrics if name in found}
        return kept | {"brier": brier} | self.by_function(outputs, y)
