"""The rehearsal of a study: before the first arm trains, each arm is built, and a few examples go through its nets."""

import gc
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.console import console
from dnnx.basics.errors import UserError, is_out_of_memory
from dnnx.config import check, plain, resume
from dnnx.config.build import build
from dnnx.config.explain import explain_os
from dnnx.config.own_lines import described_if_theirs
from dnnx.config.seeds import parse_seeds

NOWHERE = Path(os.devnull) / "rehearsal"  # a folder that no one can make, so that a death leaves nothing behind


def check_arms(configs: Mapping[str, DictConfig], are_arms: bool = True) -> dict[str, str]:
    """Return the kind of each arm that may train with others as one network. `configs` are by arm.

    Raise UserError, with its arm and its cause, if an arm could not begin to train.

    Where they are no arms but the settings of a sweep, the error is that of all; one of some is said by its job. Arms
    that start from a network which is not trained yet are left out.
    """
    known: dict[str, Any] = {}
    found = {arm: rehearse(config, known) for arm, config in configs.items() if _is_ready(config)}
    known.clear()
    gc.collect()  # trainer and module hold each other, and with them the data
    errors = {arm: fault for arm, (fault, _) in found.items() if fault}
    first = next(iter(errors.values()), "")
    alike = [arm for arm, told in errors.items() if told == first]
    is_of_all = len(alike) == len(configs)
    if errors and are_arms and not (is_of_all and len(configs) > 1):
        raise UserError(f"study.arms.{', '.join(alike)}: {first}")
    if errors and is_of_all:
        raise UserError(first)
    return {arm: kind for arm, (_, kind) in found.items()}


def rehearse(config: DictConfig, known: dict[str, Any]) -> tuple[str, str]:
    """Return why the run of a config cannot begin, and its kind (dnnx.training.mergeable).

    The first is "" if it can, or if the fault is none of the user's. `known` keeps the data for the next config.
    """
    from lightning.pytorch.utilities.seed import isolate_rng  # torch from here on

    try:
        with isolate_rng(), console.capture():
            return "", _rehearse(config, NOWHERE, known)
    except UserError as error:
        return str(error), ""
    except OSError as error:
        return explain_os(error), ""
    except Exception as error:  # without a line of the user's it is a bug, which has its traceback in the job
        return "" if is_out_of_memory(error) else described_if_theirs(error), ""


def _is_ready(config: DictConfig) -> bool:
    return config.get("backbone") is None or (Path(str(config.backbone)) / "results.json").is_file()


def _rehearse(config: DictConfig, folder: Path, known: dict[str, Any]) -> str:
    """Build everything that a run needs, for its first and its last seed, as the run itself does; write nothing.

    Return its kind.
    """
    from dnnx.training.assemble import assemble, build_data
    from dnnx.training.mergeable import kind_of
    from dnnx.training.plain import Plan

    if "baseline" in config:
        build("baseline", config.baseline, ())
        return ""
    if plain.is_plain(config):
        Plan(plain.settle(config, ()), folder).build()
        return ""
    cfg = resume.settle_backbone(config, folder).copy()
    OmegaConf.set_struct(cfg, False)
    cfg.logger = {}
    every = parse_seeds(cfg.seeds)
    seeds = [every[0], *every[1:][-1:]]
    key = json.dumps([OmegaConf.to_container(cfg.data, resolve=True), seeds], default=str)
    if key not in known:
        known.clear()
        known[key] = build_data(cfg, seeds)
    assembled = assemble(cfg, seeds, folder, known[key])
    return kind_of(config, len(every), *assembled) if _is_valid(config) else ""


def _is_valid(config: DictConfig) -> bool:
    """Return whether the job of a config, which checks it once more, will train."""
    try:
        check.check(config)
    except UserError:
        return False
    return True
