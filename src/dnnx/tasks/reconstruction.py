"""Reconstruction: the network reproduces its input; labels are ignored."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dnnx.basics.at_work import Check, must
from dnnx.tasks.metric import Metric
from dnnx.tasks.task import Task

NUM_SAMPLES = 20  # test images for the figure of reconstructions
TOLERANCE = 1e-3


def _reconstructs(run: Any) -> None:
    x, _ = next(iter(run.data.eval_dataloader("val")))
    run.module.eval()
    with torch.no_grad():
        x = x.to(next(run.module.parameters()).device)
        made = run.module(x)
        y = run.module.targets(x, x, made)
        errors, expected = run.module.losses(made, y), (made.flatten(2) - y.flatten(2)).square().mean(-1)
    run.module.train()
    must(torch.allclose(errors, expected, rtol=TOLERANCE), "the loss is not the error of the reconstruction")


def _without_accuracy(run: Any) -> None:
    must(not any(name.endswith("accuracy") for name in run.metrics), "an accuracy was reported")


class Reconstruction(Task):
    """The loss is the mean squared error over the features of an example: outputs [N, ...], targets x [N, ...].

    Metrics need only the loss of each example, so `summary` keeps nothing else.
    """

    metrics: Mapping[str, Metric] = {"loss": Metric(better="lower")}
    checks = (Check("task=reconstruction", lambda cfg: True, _reconstructs, _without_accuracy),)

    def num_outputs(self, data: Any) -> int | None:
        return int(torch.Size(data.in_shape).numel())

    def target(self, x: Tensor, y: Tensor) -> Tensor:
        return x

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs.flatten(1) - y.flatten(1)).square().mean(-1)

    def summary(self, outputs: Tensor, y: Tensor) -> Tensor:
        return self.loss(outputs, y)

    def measure(self, outputs: Tensor, y: Tensor, **chosen: Any) -> dict[str, Any]:
        return {"loss": outputs.double().mean().item()}

    @torch.no_grad()
    def exhibits(self, module: Any, data: Any) -> dict[str, Tensor]:
        """Return the first test images and the first replica's reconstructions, as pixels [K, H, W, channels]."""
        if getattr(data, "test_pictures", None) is None:
            return {}
        index = torch.arange(min(NUM_SAMPLES, data.sizes["test"]))
        x = next(iter(data.eval_dataloader("test")))[0][: len(index)]
        made = module(x)[0].view_as(x)
        if data.scaling:
            mean, scale = (values.to(made.device) for values in data.scaling)
            made = made * scale + mean
        pixels = (made * 255).round().clamp(0, 255).to(torch.uint8).view(-1, *data.in_shape)
        return {"sample_images": data.test_pictures(index), "reconstructions": pixels.permute(0, 2, 3, 1)}
