"""Save and restore the complete state of a plain Lightning training between two epochs, as tensors and plain values."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch.utilities import CombinedLoader
from torchmetrics import Metric

from dnnx.basics.typed import without_secrets

State = dict[str, Any]
# Constructor arguments stay in config.yaml: in a checkpoint they may be objects, which cannot be read safely.
HYPERPARAMETERS = ("hyper_parameters", "datamodule_hyper_parameters")
NAMES = ("hparams_name", "datamodule_hparams_name", "hparams_type", "datamodule_hparams_type")


class _Capture(CheckpointIO):
    """Capture the checkpoint that Lightning would write."""

    checkpoint: State

    def save_checkpoint(self, checkpoint: State, path: Any, storage_options: Any = None) -> None:
        self.checkpoint = checkpoint

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> State:
        raise NotImplementedError

    def remove_checkpoint(self, path: Any) -> None:
        raise NotImplementedError


def dump(trainer: Any) -> State:
    """Return Lightning's checkpoint of a training without secrets, and without hyperparameters that are objects."""
    own, capture = trainer.strategy.checkpoint_io, _Capture()
    trainer.strategy.checkpoint_io = capture
    try:
        trainer.save_checkpoint("captured")
    finally:
        trainer.strategy.checkpoint_io = own
    checkpoint = capture.checkpoint
    kept = {name for name in HYPERPARAMETERS if holds_plain_values(checkpoint.get(name))}
    shown = {name: without_secrets(checkpoint[name]) for name in kept if name in checkpoint}
    return {key: value for key, value in checkpoint.items() if key not in (*HYPERPARAMETERS, *NAMES)} | shown


def holds_plain_values(value: Any) -> bool:
    """Return whether a value consists of numbers, text, lists and mappings alone."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and holds_plain_values(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return all(map(holds_plain_values, value))
    return value is None or type(value) in (bool, int, float, str)


def restore(trainer: Any, module: Any, checkpoint: State) -> None:
    """Restore a training to the boundary of two epochs in `checkpoint`.

    Lightning's own `ckpt_path` starts the data loader before it restores the random state, so the next epoch would have
    another order.
    """
    module.on_load_checkpoint(checkpoint)
    module.load_state_dict(checkpoint["state_dict"], strict=module.strict_loading)
    trainer.strategy.load_optimizer_state_dict(checkpoint)
    for config, state in zip(trainer.lr_scheduler_configs, checkpoint["lr_schedulers"], strict=True):
        config.scheduler.load_state_dict(state)
    for callback in trainer.callbacks:
        callback.on_load_checkpoint(trainer, module, checkpoint)
        if callback.state_key in checkpoint["callbacks"]:
            callback.load_state_dict(checkpoint["callbacks"][callback.state_key])
    for stateful in (trainer.datamodule, trainer.precision_plugin):
        name = type(stateful).__qualname__
        if stateful is not None and name in checkpoint:
            stateful.load_state_dict(checkpoint[name])
    _restore_progress(trainer.fit_loop, checkpoint["loops"]["fit_loop"])


def _restore_progress(loop: Any, state: State) -> None:
    loop.load_state_dict(state)
    for one in (loop, loop.epoch_loop, loop.epoch_loop.val_loop):
        one.on_iteration_done()  # no epoch is half done: the next one starts its data loader
    for part in (loop.epoch_progress.current, loop.epoch_progress.total):
        part.ready = part.started = part.completed


def random_state(trainer: Any, module: Any) -> State:
    """Return the state of every random generator that a training draws from, and of its metrics."""
    version, numbers, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [name, torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "loaders": [generator.get_state() for generator in _generators(trainer)],
        "metrics": {name: dict(metric.metric_state) for name, metric in _metrics(module)},
    }


def set_random_state(trainer: Any, module: Any, state: State) -> None:
    """Restore the state that `random_state` returned."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    for generator, own in zip(_generators(trainer), state["loaders"], strict=True):
        generator.set_state(own)
    for name, metric in _metrics(module):
        for field, value in state["metrics"][name].items():
            moved = value.to(metric.device) if isinstance(value, torch.Tensor) else [v.to(metric.device) for v in value]
            setattr(metric, field, moved)


def _generators(trainer: Any) -> Iterator[torch.Generator]:
    """Yield the generators of the user's data loaders and samplers."""
    for loaders in (trainer.train_dataloader, trainer.val_dataloaders):
        for loader in CombinedLoader(loaders).flattened if loaders is not None else []:
            for owner in (loader, getattr(loader, "sampler", None)):
                if isinstance(generator := getattr(owner, "generator", None), torch.Generator):
                    yield generator


def _metrics(module: Any) -> Iterator[tuple[str, Metric]]:
    """Yield the torchmetrics in the module: their running values are in no state_dict."""
    return ((name, metric) for name, metric in module.named_modules() if isinstance(metric, Metric))
