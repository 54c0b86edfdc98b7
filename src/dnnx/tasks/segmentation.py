"""Segmentation: one class of C for every pixel of an image."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dnnx.basics.errors import require
from dnnx.tasks.metric import SHARE, Metric
from dnnx.tasks.task import Task

NUM_SAMPLES = 8  # test images in the figure of masks
IOU = "IoU is the intersection of predicted and true pixels of a class over their union, on the whole split."
CONSTANT = "Majority: every pixel gets the most frequent class of the split, the best constant prediction."


class Segmentation(Task):
    """Outputs are logits [N, C, H, W], masks y [N, H, W] are 0 to C-1.

    The loss of an image is the mean cross-entropy of its pixels. Metrics are computed from the counts of true and
    predicted classes of each image, so `summary` keeps nothing else.
    """

    curves = ("loss", "pixel_accuracy")
    takes_logits = True
    metrics: Mapping[str, Metric] = {
        "loss": Metric(better="lower"),
        "mean_iou": Metric(unit="%", better="higher", note=IOU),
        "pixel_accuracy": SHARE,
        "iou": SHARE,
        "majority_iou": Metric(unit="%", note=CONSTANT),
        "majority_accuracy": Metric(unit="%"),
    }

    def num_outputs(self, data: Any) -> int | None:
        masks = len(data.target_shape) == 2 and data.num_classes is not None
        told = "the targets are no masks of classes [H, W]; type task=classification or task=regression"
        require(masks, "task", "segmentation", told)
        return data.num_classes

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, reduction="none").flatten(1).mean(1)

    def per_example(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"pixel_accuracy": (outputs.argmax(1) == y).flatten(1).float().mean(1)}

    def summary(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the loss and the counts of each image, [N, 1 + C * C] float64."""
        return torch.cat([self.loss(outputs, y)[:, None].double(), counts(outputs, y).flatten(1).double()], 1)

    def measure(self, outputs: Tensor, y: Tensor, **chosen: Any) -> dict[str, Any]:
        num = round((outputs.shape[1] - 1) ** 0.5)
        confusion = outputs[:, 1:].sum(0).view(num, num)
        majority = (confusion.sum(1).max() / confusion.sum()).item()
        found = iou(confusion)
        return {
            "loss": outputs[:, 0].mean().item(),
            "mean_iou": found.nanmean().item(),
            "pixel_accuracy": (confusion.diagonal().sum() / confusion.sum()).item(),
            "iou": found.tolist(),
            "majority_iou": majority / int(found.isfinite().sum()),
            "majority_accuracy": majority,
        }

    @torch.no_grad()
    def exhibits(self, module: Any, data: Any) -> dict[str, Tensor]:
        """Return the first test images as pixels [K, H, W, channels], true masks [K, H, W] and the first replica's."""
        if getattr(data, "test_pictures", None) is None:
            return {}
        x, y, *_ = next(iter(data.eval_dataloader("test")))
        x, y = x[:NUM_SAMPLES], y[:NUM_SAMPLES]
        predicted = module(x)[0].argmax(1)
        images = data.test_pictures(torch.arange(len(x)))
        return {"sample_images": images, "masks": y.to(torch.uint8), "predicted_masks": predicted.to(torch.uint8)}


def counts(outputs: Tensor, y: Tensor) -> Tensor:
    """Return the pixels of each image by true and predicted class: logits [N, C, H, W], masks [N, H, W] -> [N, C, C].

    Example: two of four pixels of class 0 are called 1: the row of class 0 is [2, 2].
    """
    num = outputs.shape[1]
    cell = (y * num + outputs.argmax(1)).flatten(1)  # [N, H * W]
    return torch.zeros(len(y), num * num, device=y.device, dtype=torch.int64).scatter_add_(
        1, cell, torch.ones_like(cell)
    ).view(-1, num, num)  # fmt: skip


def iou(confusion: Tensor) -> Tensor:
    """Return the intersection over union of each class, [C, C] -> [C]; nan for a class that is neither true nor
    predicted.
    """
    right = confusion.diagonal()
    return right / (confusion.sum(0) + confusion.sum(1) - right)
