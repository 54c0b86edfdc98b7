"""The networks of a finished run, built again as plain modules with their best weights, and their predictions."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from dnnx.basics.errors import UserError, require
from dnnx.config import resume
from dnnx.config.build import build
from dnnx.config.plain import is_plain
from dnnx.runs.tensors import load_tensors
from dnnx.training.plain_run import load_weights


def network(cfg: DictConfig, folder: Path, seeds: Sequence[int], seed: int) -> nn.Module:
    """Return the network of a seed with its best weights, in evaluation mode.

    Of a LightningModule of the user's it is that module.
    """
    require(seed in seeds, "seed", seed, f"this run has the seeds {', '.join(map(str, seeds))}")
    place = list(seeds).index(seed)
    if is_plain(cfg):
        net, state = build("module", cfg.module), load_weights(folder, seeds, place)
    else:
        net = _sized(cfg, resume.load_data(folder))
        stacked = load_tensors(folder / "model.safetensors")
        state = {name: stacked[name][place] for name in net.state_dict() if name in stacked}
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{folder}: its weights are of another network: {' '.join(str(error).split())}") from None
    return net.eval()


def predict(
    cfg: DictConfig, nets: Sequence[nn.Module], x: Any, in_shape: Sequence[int], scaling: tuple[Tensor, Tensor] | None
) -> Tensor:
    """Return the mean prediction of networks for x [N, *in_shape]: probabilities [N, C] of classes, else outputs."""
    task = None if is_plain(cfg) else build("task", cfg.task)
    x = as_input(x)
    try:
        scaled = x if scaling is None else (x - scaling[0]) / scaling[1]
        outputs = torch.stack([task.read(net(scaled)) if task else net(scaled) for net in nets])
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError, NotImplementedError) as error:
        needed = f"; the data was [N, {', '.join(map(str, in_shape))}]" if in_shape else ""
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"x: the network cannot predict for {list(x.shape)} of {x.dtype}{needed} ({reason})") from None
    return (outputs.double().softmax(-1) if task is not None and task.has_classes else outputs).mean(0)


def as_input(x: Any) -> Tensor:
    """Return x as a tensor: floats in 32 bits, uint8 images in [0, 1], other integers as they are."""
    try:
        x = torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"x: a {type(x).__name__} is no array [N, ...] ({' '.join(str(error).split())[:200]})"
        ) from None
    return x.float() / 255 if x.dtype == torch.uint8 else x.float() if x.is_floating_point() else x


def _sized(cfg: DictConfig, facts: dict[str, Any]) -> nn.Module:
    sizes = SimpleNamespace(
        in_shape=tuple(facts["in_shape"]),
        num_classes=len(facts.get("class_names") or ()),
        target_shape=tuple(facts.get("target_shape") or ()),
    )
    num_outputs = build("task", cfg.task).num_outputs(sizes)
    return build("net", cfg.net, in_shape=sizes.in_shape, num_outputs=num_outputs)
