"""What happens inside a network, layer by layer and epoch by epoch: activations, gradients, dead units."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

NUM_IMAGES = 1024
DEAD_STD = 1e-5  # a unit whose output varies less than this over the images tells nothing about them


class LayerStatistics(pl.Callback):
    """Adds to the epoch's metrics, for every hidden layer and seed, its

    `activation_mean` and `activation_std` (over units and the first 1,024 validation images, in evaluation mode),
    `dead_units` (share of units with the same output for all of them) and `gradient_norm` (Euclidean, of all its
    parameters, at the last batch of the epoch). Costs one forward pass of one batch per epoch.

    Before the first epoch come the activations of the initial weights, in training mode: batch norm then has the
    batch's own statistics and dropout is active, as in the first step. Nothing in the network moves by it.
    """

    @torch.no_grad()
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch > 0:
            return
        pl_module.train()
        saved = {name: value.clone() for name, value in pl_module.replicas.stacked_state().items()}
        pl_module.epoch_metrics = {}
        for layer, values in self._activations(trainer, pl_module).items():
            statistics = activation_statistics(values)
            pl_module.epoch_metrics |= {f"{layer}/{name}": value for name, value in statistics.items()}
        pl_module.replicas.load_stacked(saved)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx + 1 == trainer.num_training_batches:  # Lightning drops the gradients before it validates
            named = {name: p.grad for name, p in pl_module.replicas.net.named_parameters() if p.grad is not None}
            self.gradients = {name: gradient.clone() for name, gradient in named.items()}

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        with torch.inference_mode():
            activations = self._activations(trainer, pl_module)
        for layer, values in activations.items():
            statistics = activation_statistics(values)
            gradients = [gradient for name, gradient in self.gradients.items() if name.startswith(f"{layer}.")]
            if gradients:  # a frozen layer has none
                statistics["gradient_norm"] = gradient_norm(gradients, len(values))
            pl_module.epoch_metrics |= {f"{layer}/{name}": value for name, value in statistics.items()}

    def _activations(self, trainer: Any, pl_module: Any) -> dict[str, Tensor]:
        x, _ = next(iter(trainer.val_dataloaders))
        return pl_module(x[..., :NUM_IMAGES, :], return_activations=True)[1]


def activation_statistics(activations: Tensor) -> dict[str, Tensor]:
    """Of activations [R, B, units]: mean, standard deviation and share of dead units, each [R]."""
    flat = activations.flatten(1)
    dead = activations.std(1) < DEAD_STD
    return {"activation_mean": flat.mean(1), "activation_std": flat.std(1), "dead_units": dead.float().mean(1)}


def gradient_norm(gradients: list[Tensor], num_replicas: int) -> Tensor:
    """Euclidean norm per replica, [R], of gradients that carry a leading replica axis (or none for one replica)."""
    squares = [gradient.square().view(num_replicas, -1).sum(1) for gradient in gradients]
    return torch.stack(squares).sum(0).sqrt()
