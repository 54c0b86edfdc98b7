"""A finished run that a command names, checked before torch is imported."""

from pathlib import Path

from omegaconf import DictConfig

from dnnx.basics.errors import require
from dnnx.config import resume
from dnnx.config.plain import is_plain


def named_run(named: str, typed: DictConfig) -> DictConfig:
    """Return the config of the run folder of run=. Raise UserError unless it is there and finished."""
    folder = Path(named)
    require(folder.is_dir(), "run", named, "there is no such folder; give a run folder such as outputs/dense5/latest")
    cfg = resume.load_config(folder, "run", typed)
    finished = (folder / "results.json").is_file()
    require(finished, "run", named, f"it did not finish; {resume.go_on(folder)}")
    return cfg


def finished_run(named: str, typed: DictConfig) -> DictConfig:
    """Return the config of the run folder of run=. Raise UserError if it has nothing that could predict.

    A baseline has no weights: it is fitted again.
    """
    cfg = named_run(named, typed)
    has_weights = is_plain(cfg) or "baseline" in cfg or Path(named, "model.safetensors").is_file()
    require(has_weights, "run", named, "its best weights, model.safetensors, are missing; copy the folder again")
    return cfg


def network_run(named: str, typed: DictConfig) -> DictConfig:
    """Return the config of the run folder of run=. Raise UserError if it has no networks."""
    cfg = finished_run(named, typed)
    told = "a baseline has no network; dnnx predict fits it again and predicts with it"
    require("baseline" not in cfg, "run", named, told)
    return cfg
