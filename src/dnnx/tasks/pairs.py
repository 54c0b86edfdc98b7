"""Pairs: tell whether two images show the same class."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dnnx.tasks.classification import Classification, stack_with_zero
from dnnx.tasks.metric import SHARE, Metric
from dnnx.tasks.scores import best_threshold, binary

NUM_SAMPLES = 30  # test pairs in the figure
NUM_EMBEDDED = 1000  # test images for the embedding
OF_ONE_CLASS = 'Precision, recall and F1 are of the class "different"; AUC is the area under the ROC curve.'
CHOSEN = (
    "Accuracy, precision, recall, F1 and confusion matrices call a pair different above the seed's own threshold, "
    "chosen on validation; learning curves and predictions under test images do so above 0.5."
)
SHARES = ("accuracy", "accuracy_at_half", "precision", "recall", "f1")


class Pairs(Classification):
    """A binary task; the net has one logit z [N], above 0 for "different".

    The pair (0, z) holds the logits of "same" (label 0) and "different" (label 1). Its softmax is the logistic function
    of z, its cross-entropy the binary one. The decision threshold is chosen on validation pairs.
    """

    metrics: Mapping[str, Metric] = {
        "loss": Metric(better="lower"),
        **dict.fromkeys(SHARES, SHARE),
        "auc": Metric(unit="%", better="higher", note=OF_ONE_CLASS),
        "threshold": Metric(note=CHOSEN),
        "confusion": Metric(),
    }

    def num_outputs(self, data: Any) -> int | None:
        return None

    def read(self, outputs: Tensor) -> Tensor:
        return stack_with_zero(outputs)

    def choose(self, outputs: Tensor, y: Tensor) -> dict[str, Any]:
        return {"threshold": best_threshold(outputs, y)}

    def measure(self, outputs: Tensor, y: Tensor, threshold: float = 0.5, **chosen: Any) -> dict[str, Any]:
        return binary(outputs, y, threshold, self.loss) | self.by_function(outputs, y)

    @torch.no_grad()
    def exhibits(self, module: Any, data: Any) -> dict[str, Tensor]:
        """Return test pairs in their order, and the first replica's output of tower A for the first test images."""
        x, digits = data.splits["test"]
        x = x[:NUM_EMBEDDED]
        samples = torch.arange(min(NUM_SAMPLES, data.sizes["test"]))
        shown = {"sample_index": samples, "sample_images": data.test_pictures(samples)}
        try:
            _, activations = module(torch.stack([x, x], 1), return_activations=True)
        except TypeError:  # a user's net without return_activations
            return shown
        top = [name for name in activations if name.startswith("tower_a.")][-1]
        return shown | {"embedded": activations[top][0], "embedded_labels": digits[:NUM_EMBEDDED]}
