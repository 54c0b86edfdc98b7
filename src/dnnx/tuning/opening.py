"""Open the study of a tuning in its storage: a new one, or one whose data, metrics, search and config agree."""

from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf
from optuna import Study

from dnnx.basics.typed import without_secrets
from dnnx.config.build import build
from dnnx.config.explain import flatten
from dnnx.config.secrets import public
from dnnx.tuning import book
from dnnx.tuning.cross_validation import CrossValidation, of_runs
from dnnx.tuning.sampler import PerTrial
from dnnx.tuning.space import Space

SEARCH = ("space", "derived", "trial", "objective", "direction", "folds", "fold_seed")
# Keys that may differ when a study continues: places, device, display, and parts that trials do not read.
FREE = ("seeds", "jobs", "params", "arm", "study", "paths", "data.root", "trainer.accelerator", "callbacks.progress",
        "callbacks.record", "callbacks.checkpoint")  # fmt: skip


def open_study(cfg: DictConfig, folder: Path, space: Space, validation: CrossValidation) -> Study:
    """Return the study named cfg.name in its storage: a new one, or the existing one if its facts agree."""
    whole = validation.compose([*cfg.trial])  # with the overrides of trials, such as trainer.max_epochs
    sampler = PerTrial(lambda seed: build("sampler", whole.sampler, seed=seed, space=space), cfg.fold_seed, space)
    build("sampler", whole.sampler, space=space)
    pruner = build("pruner", whole.pruner)
    data = validation.fold_data(validation.run_config(space.corners()[0])).provenance
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=book.open_storage(cfg.storage, folder), sampler=sampler, pruner=pruner, study_name=cfg.name,
        direction=cfg.direction, load_if_exists=True,
    )  # fmt: skip
    book.agree(study, "data", {name: data[name] for name in ("source", "files")})
    book.agree(study, "about", validation.about)
    study.set_user_attr("parts", validation.parts)
    plain: Any = OmegaConf.to_container(cfg)
    search = flatten(without_secrets({key: plain[key] for key in SEARCH}))
    book.agree(study, "search", {key: value for key, value in search.items() if not isinstance(value, dict)})
    book.agree(study, "config", shared_settings(of_runs(validation.compose([]))))
    return study


def shared_settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings that all trials of a study share, by key, without secrets."""
    flat = flatten(public(cfg))
    return {key: value for key, value in flat.items() if not isinstance(value, dict) and not key.startswith(FREE)}
