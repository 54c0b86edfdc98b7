"""What happens inside a network, layer by layer and epoch by epoch: activations, gradients, dead and equal units."""

import inspect
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from dnnx.basics.errors import require
from dnnx.techniques.clipping import gradient_norm

SAME = 1e-5  # a unit whose output varies less than this over the images tells nothing about them
EQUAL = 1e-3  # of the layer's largest output: two units that differ less on every image do the same


class LayerStatistics(pl.Callback):
    """Adds to the epoch's metrics, for every hidden layer and seed, its

    `activation_mean`, `activation_std` and `equal_units` (share of those that vary but do what another one does) over
    the first batch of validation images in evaluation mode, `dead_units` (share of those with the same output for all
    validation images; of ReLU it is 0) and `gradient_norm` (Euclidean, of all its parameters, at the last batch of the
    epoch). Costs another pass over the validation images per epoch.

    Before the first epoch come those of the initial weights and the first batch of validation images, in training
    mode: batch norm then has the batch's own statistics and dropout is active, as in the first step. Nothing in the
    network moves by it.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch > 0:
            return
        pl_module.train()
        replicas = pl_module.replicas
        saved = {name: value.detach().clone() for name, value in replicas.stacked_state().items()}
        x, y, *_ = next(iter(trainer.val_dataloaders))
        outputs, activations = with_activations(pl_module, x)
        trained = {name: p for name, p in replicas.net.named_parameters() if p.requires_grad}
        loss = pl_module.losses(outputs, pl_module.targets(x, y, outputs)).mean(-1).sum()
        gradients = dict(zip(trained, torch.autograd.grad(loss, list(trained.values())), strict=True))
        pl_module.epoch_metrics = layer_statistics(activations, [activations], gradients)
        replicas.load_stacked(saved)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx + 1 == trainer.num_training_batches:  # Lightning drops the gradients before it validates
            named = {name: p.grad for name, p in pl_module.replicas.net.named_parameters() if p.grad is not None}
            self.gradients = {name: gradient.clone() for name, gradient in named.items()}

    @torch.inference_mode()
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        batches = (with_activations(pl_module, x)[1] for x, *_ in trainer.val_dataloaders)
        first = next(batches)
        pl_module.epoch_metrics |= layer_statistics(first, chain([first], batches), self.gradients)


def with_activations(module: Any, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return outputs and the outputs of every hidden layer [R, B, units], by name.

    A net whose forward takes `return_activations` says itself which layers are hidden. In any other the layers with
    weights of two axes or more are, but for the last; units are then all elements of an example.
    """
    net = module.replicas.net
    if "return_activations" in inspect.signature(type(net).forward).parameters:
        return module(x, return_activations=True)
    way = getattr(module.replicas, "way", "batched")
    told = f"its replicas run by {way}, where layers cannot be watched; leave layer_statistics out"
    require(way == "batched" or module.replicas.num_replicas == 1, "callbacks.layer_statistics", way, told)
    seen: dict[str, Tensor] = {}
    names = [name.rpartition(".")[0] for name in module.weight_names][:-1]

    def keep(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: Any, output: Tensor) -> None:
            out = output[None] if module.replicas.num_replicas == 1 else output
            seen[name] = out.flatten(2)

        return hook

    handles = [net.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    try:
        return module(x), seen
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def layer_statistics(
    activations: dict[str, Tensor], batches: Iterable[dict[str, Tensor]], gradients: dict[str, Tensor]
) -> dict[str, Tensor]:
    """`<layer>/<statistic>`, each [R], of activations [R, B, units]; `batches` are those of all images."""
    low: dict[str, Tensor] = {}
    high: dict[str, Tensor] = {}
    for batch in batches:
        for layer, values in batch.items():
            low[layer] = values.amin(1).minimum(low.get(layer, values[:, 0]))
            high[layer] = values.amax(1).maximum(high.get(layer, values[:, 0]))
    found: dict[str, Tensor] = {}
    for layer, values in activations.items():
        dead = high[layer] - low[layer] < SAME
        statistics = activation_statistics(values) | {"dead_units": dead.float().mean(1)}
        statistics["equal_units"] = (equal_units(values) & ~dead).float().mean(1)
        own = [gradient for name, gradient in gradients.items() if name.startswith(f"{layer}.")]
        if own:  # a frozen layer has none
            statistics["gradient_norm"] = gradient_norm(own, len(values))
        found |= {f"{layer}/{name}": value for name, value in statistics.items()}
    return found


def activation_statistics(activations: Tensor) -> dict[str, Tensor]:
    """Mean and standard deviation of activations [R, B, units], each [R]."""
    flat = activations.flatten(1)
    return {"activation_mean": flat.mean(1), "activation_std": flat.std(1)}


def equal_units(activations: Tensor) -> Tensor:
    """Which units of [R, B, units] do what another one of their layer does, [R, units].

    Equal units have equal means, so only neighbours by mean are compared: another of the very mean could hide a pair.
    """
    order = activations.mean(1).argsort(-1)
    in_order = activations.gather(2, order[:, None].expand_as(activations))
    largest = activations.abs().amax((1, 2))[:, None]
    alike = torch.nn.functional.pad(in_order.diff(dim=2).abs().amax(1) < EQUAL * largest, (1, 1))
    return torch.zeros_like(order, dtype=torch.bool).scatter(1, order, alike[:, 1:] | alike[:, :-1])
