"""Rebuild the module and the data of a finished run, with its weights."""

from pathlib import Path
from typing import Any

from dnnx.config.resume import load_config
from dnnx.config.seeds import parse_seeds
from dnnx.runs.tensors import load_tensors
from dnnx.training.assemble import build_data, build_module


def rebuilt(folder: Path) -> tuple[Any, Any]:
    cfg = load_config(folder, "run")
    seeds = parse_seeds(cfg.seeds)
    data = build_data(cfg, seeds)
    module = build_module(cfg, data, seeds)
    module.replicas.load_stacked(load_tensors(folder / "model.safetensors"))
    return module, data
