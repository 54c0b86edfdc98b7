"""The networks of a finished run, built again as plain modules with their best weights."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from dnnx.basics.errors import UserError, message_of, require
from dnnx.config import resume
from dnnx.config.build import build
from dnnx.config.plain import is_plain
from dnnx.runs.files import read_json
from dnnx.runs.shard_files import PREPROCESSING
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
        net = _sized(cfg, resume.load_data(folder) | target_shape(folder))
        stacked = load_tensors(folder / "model.safetensors")
        state = {name: stacked[name][place] for name in net.state_dict() if name in stacked}
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{folder}: its weights are of another network: {message_of(error)}") from None
    return net.eval()


def as_input(x: Any) -> Tensor:
    """Return x as a tensor: floats in 32 bits, uint8 images in [0, 1], other integers as they are."""
    try:
        x = torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"x: a {type(x).__name__} is no array [N, ...] ({message_of(error, 200)})") from None
    return x.float() / 255 if x.dtype == torch.uint8 else x.float() if x.is_floating_point() else x


def target_shape(folder: Path) -> dict[str, Any]:
    """Return the shape of one target, which runs of earlier versions lack."""
    path = folder / PREPROCESSING
    found = read_json(path) if path.exists() else {}
    return {"target_shape": found["target_shape"]} if isinstance(found, dict) and "target_shape" in found else {}


def _sized(cfg: DictConfig, facts: dict[str, Any]) -> nn.Module:
    sizes = SimpleNamespace(
        in_shape=tuple(facts["in_shape"]),
        num_classes=len(facts.get("class_names") or ()),
        target_shape=tuple(facts.get("target_shape") or ()),
    )
    num_outputs = build("task", cfg.task).num_outputs(sizes)
    return build("net", cfg.net, in_shape=sizes.in_shape, num_outputs=num_outputs)
