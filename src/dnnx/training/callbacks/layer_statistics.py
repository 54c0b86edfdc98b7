"""Statistics of each hidden layer in each epoch: activations, gradients, dead and equal units."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from dnnx.techniques.clipping import gradient_norm

SAME = 1e-5  # a unit whose output varies less over the images counts as constant
EQUAL = 1e-3  # share of the layer's largest output: units that differ less on every image are equal


class LayerStatistics(pl.Callback):
    """Add statistics of every hidden layer and seed to the metrics of the epoch.

    - `activation_mean`, `activation_std`: over the first batch of validation examples, in evaluation mode.
    - `equal_units`: the share of units that vary but equal another unit of the layer, over the same batch.
    - `dead_units`: the share of units with one output for all validation examples (0 for ReLU).
    - `gradient_norm`: the Euclidean norm over all parameters of the layer, at the last batch of the epoch.

    Every epoch costs another pass over the validation examples.

    Epoch 0 has the statistics of the initial weights over the first batch of validation examples, in training mode.
    Batch norm then uses the batch's own statistics and dropout is active, as in the first step. The network does not
    change.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch > 0:
            return
        pl_module.train()
        replicas = pl_module.replicas
        x, y = next(_parts(pl_module, trainer.val_dataloaders))
        saved = {name: value.detach().clone() for name, value in replicas.state_dict().items()}
        outputs, activations = with_activations(pl_module, x)
        trained = {name: p for name, p in replicas.net.named_parameters() if p.requires_grad}
        loss = pl_module.losses(outputs, pl_module.targets(x, y, outputs)).mean(-1).sum()
        gradients = dict(zip(trained, torch.autograd.grad(loss, list(trained.values())), strict=True))
        pl_module.epoch_metrics = layer_statistics(activations, [activations], gradients)
        replicas.load_state_dict(saved)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx + 1 == trainer.num_training_batches:  # Lightning drops the gradients before validation
            named = {name: p.grad for name, p in pl_module.replicas.net.named_parameters() if p.grad is not None}
            self.gradients = {name: gradient.clone() for name, gradient in named.items()}

    @torch.inference_mode()
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        parts = (with_activations(pl_module, x)[1] for x, _ in _parts(pl_module, trainer.val_dataloaders))
        first = next(parts)
        pl_module.epoch_metrics |= layer_statistics(first, chain([first], parts), self.gradients)


def _parts(module: Any, batches: Iterable[Sequence[Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the validation batches. For a net with convolutions they are split, as it has many activations."""
    for x, y, *_ in batches:
        axis = 0 if module.is_shared(x) else 1
        parts = module.replicas.parts(x, axis == 0)
        sizes = [part.shape[axis] for part in parts]
        yield from zip(parts, y.split(sizes, axis) if len(parts) > 1 else [y], strict=True)


def with_activations(module: Any, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return outputs, and the outputs of every hidden layer [R, B, units] by name.

    A net whose forward has `return_activations` names its hidden layers. In any other net they are the layers with
    trained weights of two or more axes, except the last. Units are then all elements of an example.
    """
    net = module.replicas.net
    if "return_activations" in inspect.signature(type(net).forward).parameters:
        return module(x, return_activations=True)
    layers = dict.fromkeys(name.rpartition(".")[0] for name in module.weight_names)
    seen: dict[str, list[Tensor]] = {name: [] for name in [*layers][:-1] if name}
    handles = [net.get_submodule(name).register_forward_hook(_append_to(outs)) for name, outs in seen.items()]
    try:
        with _without_vmap(module.replicas):
            outputs = module(x)
    finally:
        for handle in handles:
            handle.remove()
    return outputs, {name: _joined(outs, module.replicas) for name, outs in seen.items() if outs}


@contextmanager
def _without_vmap(replicas: Any) -> Iterator[None]:
    """Run replicas in a loop instead of vmap, which does not allow to keep the output of a layer."""
    way = replicas.way
    replicas.use("loop" if way == "vmap" else way)
    try:
        yield
    finally:
        replicas.use(way)


def _append_to(outs: list[Tensor]) -> Callable[..., None]:
    def hook(layer: nn.Module, inputs: Any, output: Any) -> None:
        outs.append(output[0] if isinstance(output, tuple) else output)  # an LSTM also returns its last state

    return hook


def _joined(outs: list[Tensor], replicas: Any) -> Tensor:
    """Return the outputs of a layer, [R, B, units]; if it ran several times, those of its last call."""
    if replicas.way == "batched":
        return outs[-1].flatten(2)
    calls = len(outs) // replicas.num_replicas
    return torch.stack(outs[calls - 1 :: calls]).flatten(2)


@torch.no_grad()
def layer_statistics(
    activations: dict[str, Tensor], batches: Iterable[dict[str, Tensor]], gradients: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Return `<layer>/<statistic>`, each [R], of activations [R, B, units]; `batches` are those of all images."""
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
        if own:  # frozen layers have none
            statistics["gradient_norm"] = gradient_norm(own, len(values))
        found |= {f"{layer}/{name}": value for name, value in statistics.items()}
    return found


def activation_statistics(activations: Tensor) -> dict[str, Tensor]:
    """Return mean and standard deviation of activations [R, B, units], each [R]."""
    flat = activations.flatten(1)
    return {"activation_mean": flat.mean(1), "activation_std": flat.std(1)}


def equal_units(activations: Tensor) -> Tensor:
    """Return which units of [R, B, units] equal another unit of their layer, [R, units].

    Equal units have equal means, so only neighbours in the order of means are compared. A third unit with exactly the
    same mean could hide a pair.
    """
    order = activations.mean(1).argsort(-1)
    in_order = activations.gather(2, order[:, None].expand_as(activations))
    largest = activations.abs().amax((1, 2))[:, None]
    alike = torch.nn.functional.pad(in_order.diff(dim=2).abs().amax(1) < EQUAL * largest, (1, 1))
    return torch.zeros_like(order, dtype=torch.bool).scatter(1, order, alike[:, 1:] | alike[:, :-1])
