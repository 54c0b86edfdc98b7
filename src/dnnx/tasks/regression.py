"""Regression: one or several numbers per example, by squared error."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dnnx.tasks.metric import Metric
from dnnx.tasks.task import Task


def _mae(outputs: Tensor, y: Tensor) -> float:
    return (outputs.double() - y).abs().mean().item()


def _rmse(outputs: Tensor, y: Tensor) -> float:
    return (outputs.double() - y).square().mean().sqrt().item()


def _r2(outputs: Tensor, y: Tensor) -> float:
    """Return 1 - (squared error) / (squared deviation from the mean), averaged over the targets."""
    y = y.double()
    left, all_of_it = (outputs - y).square().sum(0), (y - y.mean(0)).square().sum(0)
    return (1 - left / all_of_it).mean().item()


class Regression(Task):
    """Predict numbers: outputs and targets are [N, K]; a target [N] becomes [N, 1].

    Args: unit: the unit of the target, shown with MAE and RMSE, for example task.unit=°C.
    """

    curves = ("loss", "mae")

    def __init__(self, unit: str = ""):
        self.unit = unit
        self.metrics = {
            "loss": Metric(better="lower"),
            "mae": Metric(_mae, unit, "lower"),
            "rmse": Metric(_rmse, unit, "lower"),
            "r2": Metric(_r2, "", "higher"),
        }

    def target(self, x: Tensor, y: Tensor) -> Tensor:
        return y.float()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        if outputs.dim() == y.dim() + 1 and outputs.shape[-1] == 1:
            outputs = outputs[..., 0]
        if outputs.shape != y.shape:
            raise ValueError(f"outputs {tuple(outputs.shape)} and targets {tuple(y.shape)} differ in shape")
        return F.mse_loss(outputs, y, reduction="none").flatten(1).mean(1) if y.dim() > 1 else (outputs - y).square()

    def per_example(self, outputs: Tensor, y: Tensor) -> dict[str, Tensor]:
        error = (outputs.view_as(y) - y).abs()
        return {"mae": error.flatten(1).mean(1) if y.dim() > 1 else error}

    def measure(self, outputs: Tensor, y: Tensor, **chosen: Any) -> dict[str, Any]:
        return super().measure(outputs.view_as(y), y)

    def estimated(self, estimator: Any, x: Any) -> Tensor:
        found = torch.from_numpy(np.asarray(estimator.predict(x), dtype=np.float64)).float()
        return found[:, None] if found.dim() == 1 else found

    def ensemble(self, outputs: Tensor) -> Tensor:
        return outputs.double().mean(0)

    def predictions(self, outputs: Tensor, y: Tensor, ensemble: Tensor | None, data: Any) -> dict[str, Tensor]:
        return {"targets": y, "outputs": outputs}
