"""Settles what a composed config asks for before anything heavy is imported: its keys, its seeds, its resume."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from dnnx.cli import CONF, flatten
from dnnx.errors import UserError, differences, require, unknown_key
from dnnx.files import read_json, read_yaml, write_text

# What may differ when a run goes on: where things are, how long, on what, and how it is shown.
FREE_ON_RESUME = ("resume", "paths", "data.root", "trainer.max_epochs", "trainer.accelerator", "callbacks.progress")

# What a key is set to that leaves a run as it was before there was such a key.
OFF: tuple[object, ...] = (None, False, "plain", "zeros", "before", {}, [])

# Lightning's options that would tie seeds together or cut an epoch in pieces.
REFUSED_TRAINER_KEYS = (
    "gradient_clip_val", "accumulate_grad_batches", "val_check_interval", "check_val_every_n_epoch",
    "limit_train_batches", "limit_val_batches", "overfit_batches", "fast_dev_run", "max_steps",
)  # fmt: skip


def check(cfg: DictConfig) -> None:
    """UserError for a key that nothing would read, and for what no run can do."""
    _check_keys(cfg)
    epochs, devices = cfg.trainer.get("max_epochs"), cfg.trainer.get("devices")
    require(type(epochs) is int and epochs >= 1, "trainer.max_epochs", epochs, "a whole number of at least 1")
    require(devices == 1, "trainer.devices", devices, "1: many small networks fill one device, so spread runs instead")
    for name in REFUSED_TRAINER_KEYS:
        require(
            name not in cfg.trainer,
            f"trainer.{name}",
            cfg.trainer.get(name),
            "not here: seeds are independent, epochs whole",
        )
    precision = cfg.trainer.get("precision")
    require(precision != "16-mixed", "trainer.precision", precision, "16-bit floats are bf16-mixed: no loss is scaled")
    for name in ("early_stopping", "record", "checkpoint"):
        require(name in cfg.callbacks, f"callbacks.{name}", None, "every run needs it; patience=1000 never stops")
    cycle, patience = cfg.scheduler.get("epochs"), cfg.callbacks.early_stopping.get("patience")
    require(cycle in (None, epochs), "scheduler.epochs", cycle, f"the run's own {epochs}; set trainer.max_epochs alone")
    require(
        not (type(cycle) is int and type(patience) is int and patience < cycle),
        "callbacks.early_stopping.patience", patience,
        f"it could cut the schedule's {cycle} epochs short; type callbacks.early_stopping.patience={cycle}",
    )  # fmt: skip


def _check_keys(cfg: DictConfig) -> None:
    base = OmegaConf.to_container(OmegaConf.load(CONF / "train.yaml"))
    assert isinstance(base, dict)
    groups = {name for default in base.pop("defaults") if isinstance(default, dict) for name in default}
    valid = [*groups, *(key for key in flatten(base) if not key.startswith("hydra"))]
    for key in flatten(OmegaConf.to_container(cfg)):
        if key.split(".")[0] not in groups and key not in valid and not key.startswith(("study.arms.", "study.axes.")):
            raise UserError(unknown_key(key, valid))


def parse_seeds(seeds: Any) -> list[int]:
    """`5` is 0 to 4; a list is itself."""
    parsed = list(range(seeds)) if type(seeds) is int else seeds if isinstance(seeds, ListConfig | list) else []
    valid = parsed and all(type(seed) is int and seed >= 0 for seed in parsed) and len(set(parsed)) == len(parsed)
    require(bool(valid), "seeds", seeds, "a count of at least 1, or different whole numbers, for example seeds=[3,7]")
    return list(parsed)


def save_config(cfg: DictConfig, path: Path) -> None:
    """Writes the config with nothing left to resolve, so that it means the same anywhere."""
    write_text(path, OmegaConf.to_yaml(cfg, resolve=True))


def load_config(folder: Path, key: str) -> DictConfig:
    """The config of a run folder that the user gave as `key`."""
    path = folder / "config.yaml"
    if (folder / "study.json").is_file():
        raise UserError(f"{key}={folder}: it is a study; give one of its arms, or resume={folder} with nothing else")
    require(path.is_file(), key, folder, "it holds no config.yaml; give a run folder such as outputs/dense5/latest")
    cfg = read_yaml(path, str(path))
    needed = {"seeds", "data", "net", "module", "trainer", "callbacks"}
    whole = isinstance(cfg, DictConfig) and needed <= set(cfg) and isinstance(cfg.data, DictConfig)
    require(whole, key, folder, "its config.yaml is not that of a run")
    assert isinstance(cfg, DictConfig)
    return cfg


def resumed_config(cfg: DictConfig, folder: Path, overrides: Sequence[str]) -> DictConfig:
    """The folder's own config when nothing but `resume` was given, else `cfg`, which must ask for the same run."""
    saved, cfg = load_config(folder, "resume"), settle_rate(settle_backbone(cfg, folder), folder)
    if all(override.startswith("resume=") for override in overrides):
        return saved
    old, new = (flatten(OmegaConf.to_container(config, resolve=True)) for config in (saved, cfg))
    absent = {key for key in new.keys() - old.keys() if new[key] in OFF}
    keys = (old.keys() | new.keys()) - absent
    leaves = {key for key in keys if not isinstance(old.get(key, new.get(key)), dict)}
    fixed = {key for key in leaves if not key.startswith(FREE_ON_RESUME)}
    if differing := differences(old, new, fixed):
        raise UserError(
            f"resume={cfg.resume}: that run has another config: {', '.join(differing)}; "
            f"to go on with it as it is, type only resume={cfg.resume}"
        )
    return cfg


def settle_backbone(cfg: DictConfig, folder: Path) -> DictConfig:
    """The config with the backbone's run folder found, and what `net` leaves open filled in from its network."""
    if cfg.backbone is None:
        require("backbone" not in cfg.module, "backbone", None, "module=transfer needs a finished run folder")
        return cfg
    require("backbone" in cfg.module, "backbone", cfg.backbone, "only module=transfer reads it")
    path = Path(str(cfg.backbone))
    if str(cfg.backbone).startswith("arm:"):
        path = folder.with_name(folder.name.replace(str(cfg.arm), cfg.backbone.removeprefix("arm:"), 1))
    require(
        (path / "results.json").is_file(), "backbone", cfg.backbone,
        f"{path} is no finished run; give one, such as outputs/bn_vs_plain/latest/bn",
    )  # fmt: skip
    cfg, net = cfg.copy(), load_config(path, "backbone").net
    cfg.backbone = str(path.resolve())
    named = {name: net.get(name) if value is None else value for name, value in cfg.net.items()}
    cfg.net = {name: value for name, value in named.items() if value is not None or name in net}
    return cfg


def searched(folder: Path) -> bool:
    """Whether a learning-rate search of the run in `folder` has ended."""
    return (folder / "lr_search.csv").exists() and (folder / "config.yaml").exists()


def settle_rate(cfg: DictConfig, folder: Path) -> DictConfig:
    """The config with the learning rate that a search found before this run was interrupted."""
    if "lr_search" in cfg and searched(folder):
        cfg = cfg.copy()
        cfg.optimizer.lr = load_config(folder, "resume").optimizer.lr
    return cfg


def load_results(folder: Path) -> dict[str, Any]:
    """The results of a finished run."""
    results = read_json(folder / "results.json")
    whole = isinstance(results, dict) and {"seeds", "epoch/diverged", "time/epoch_s", "time/fit_s"} <= set(results)
    require(whole, "results.json", folder, "it is not that of a run; delete it and type resume=<this folder>")
    return results


def finished(cfg: DictConfig, folder: Path) -> bool:
    """Whether the run in `folder` has its results and `cfg` does not ask for more epochs than it was given."""
    if not (folder / "results.json").exists():
        return False
    return cfg.trainer.max_epochs <= load_config(folder, "resume").trainer.max_epochs
