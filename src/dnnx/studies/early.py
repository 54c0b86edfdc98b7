"""Checks before the first arm that need torch: the metrics of the claims, and a backbone that fits its networks."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from dnnx.basics.errors import UserError
from dnnx.config import resume
from dnnx.config.seeds import parse_seeds
from dnnx.studies.metric_names import check_metrics

ALL = ["*"]


def early_error(verdicts: Iterable[Mapping[str, Any]], configs: Mapping[str, DictConfig]) -> str | None:
    """Return the error of the first check that fails, for a worker; None if there is none. `configs` are by arm."""
    try:
        check_metrics(verdicts, configs)
        check_weights(configs.values())
    except UserError as error:
        return str(error)
    return None


def check_weights(configs: Iterable[DictConfig]) -> None:
    """Raise UserError for a finished backbone whose weights do not fit the network of the first arm that loads it."""
    seen: set[str] = set()
    for config in configs:
        backbone = str(config.get("backbone"))
        if backbone not in seen and (Path(backbone) / "results.json").is_file() and _loads(config):
            seen.add(backbone)
            _load(resume.settle_backbone(config, Path()))


def _loads(config: DictConfig) -> bool:
    """Return whether a run starts any weight from its backbone."""
    readers = [one for one in (config.get("techniques") or {}).values() if one and "backbone" in one]
    return any(list(one.get("fresh") or []) != ALL for one in readers)


def _load(config: DictConfig) -> None:
    from dnnx.training.assemble import build_data, build_module  # torch from here on

    seeds = parse_seeds(config.seeds)
    module = build_module(config, build_data(config, seeds), seeds)
    for technique in module.techniques.values():
        technique.start()
