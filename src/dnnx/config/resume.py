"""Read a run folder to continue or reuse it: config, learning rate, backbone, and whether the run is finished."""

import os
import shlex
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.errors import UserError, require, shown
from dnnx.basics.names import fault_of_name
from dnnx.config.overrides import override_of
from dnnx.config.paths import CONF
from dnnx.config.plain import is_plain
from dnnx.config.secrets import as_yaml
from dnnx.config.trust import limit, needed_packages
from dnnx.runs import schema
from dnnx.runs.files import NO_RESULTS, read_json, read_results, read_yaml, write_text
from dnnx.runs.legacy import modernized


def go_on(folder: Path, *configs: DictConfig) -> str:
    """Return the advice how to go on with a run or study after a stop."""
    return f"go on with: {resuming(folder, *configs)}"


def resuming(folder: Path, *configs: DictConfig) -> str:
    """Return the command that runs what is missing in a folder, with the packages of the user's own classes."""
    packages = [*dict.fromkeys(package for config in configs for package in needed_packages(config))]
    trust = [f"packages=[{','.join(packages)}]"] if packages else []
    return shlex.join(["python", "-m", "dnnx.train", override_of("resume", short(folder)), *trust])


def short(folder: Path) -> str:
    """Return a path as a reader would type it: relative inside the current folder."""
    return os.path.relpath(folder) if folder.absolute().is_relative_to(Path.cwd()) else str(folder)


def save_config(cfg: DictConfig, path: Path) -> None:
    """Write the config with all interpolations resolved, so that it means the same anywhere. Secrets become `***`."""
    write_text(path, as_yaml(cfg))


def load_config(folder: Path, key: str, typed: DictConfig | None = None) -> DictConfig:
    """Return the config of a run folder that the user named by `key`.

    Raise UserError if it names code that is neither in conf/, nor in the config `typed`, nor in one of its `packages`.
    """
    path = folder / "config.yaml"
    if (folder / "study.json").is_file():
        arms = [f"{key}={short(path.parent)}" for path in sorted(folder.glob("*/config.yaml"))]
        told = f"give one of its arms: {', '.join(arms)}" if arms else "give one of its arms"
        raise UserError(f"{key}={folder}: it is a study; {told}")
    require(path.is_file(), key, folder, "it holds no config.yaml; give a run folder such as outputs/dense5/latest")
    cfg = modernized(read_yaml(path, str(path)))
    own = isinstance(cfg, DictConfig) and is_plain(cfg)
    needed = ("data", *(("module",) if own else ("net", "task", "optimizer", "scheduler")), "trainer", "callbacks")
    groups = [cfg.get(name) for name in needed] if isinstance(cfg, DictConfig) and "seeds" in cfg else [None]
    callbacks = [callback for callback in (groups[-1] or {}).values() if callback is not None]
    whole = all(isinstance(group, DictConfig) for group in [*groups, *callbacks])
    require(whole, key, folder, "its config.yaml is not that of a run")
    assert isinstance(cfg, DictConfig)
    for name in _todays_keys().keys() - cfg.keys():  # those that are newer than the run
        cfg[name] = _todays_keys()[name]
    for logger in cfg.get("logger") or {}:  # files of a run move in folders of these names
        require(not fault_of_name(logger), "logger", shown(logger), fault_of_name(logger))
    cfg.packages = list(typed.get("packages") or []) if typed is not None else []  # typed, never read from a file
    limit(cfg, cfg.packages, typed)
    return cfg


@cache
def _todays_keys() -> DictConfig:
    """Return the keys of conf/train.yaml."""
    keys = OmegaConf.load(CONF / "train.yaml")
    assert isinstance(keys, DictConfig)
    return OmegaConf.masked_copy(keys, [str(name) for name in keys if name not in ("defaults", "hydra")])


A_BACKBONE = "type the folder of one, such as backbone=outputs/bn_vs_plain/latest/bn"


def settle_backbone(cfg: DictConfig, folder: Path) -> DictConfig:
    """Return the config with the path of the backbone's run folder, and with null values of `net` from its network."""
    readers = {
        name: t.backbone
        for name, t in (cfg.get("techniques") or {}).items()
        if isinstance(t, DictConfig) and "backbone" in t
    }
    if cfg.backbone is None:
        require(not readers, "backbone", "null", f"technique={', '.join(readers)} needs a finished run; {A_BACKBONE}")
        return without_top(cfg) if "drop_top" in (cfg.get("net") or {}) else cfg
    require(bool(readers), "backbone", cfg.backbone, "only +technique=pretrained reads it")
    for name, own in readers.items():
        told = f"it is that of the run; type backbone={own} instead"
        require(own == cfg.backbone, f"techniques.{name}.backbone", shown(own), told)
    path = Path(str(cfg.backbone))
    if str(cfg.backbone).startswith("arm:"):
        path = folder.with_name(folder.name.replace(str(cfg.arm), cfg.backbone.removeprefix("arm:"), 1))
    require(
        (path / "results.json").is_file(), "backbone", cfg.backbone,
        f"{path} is no finished run; {A_BACKBONE}",
    )  # fmt: skip
    top, cfg, net = cfg.net.get("drop_top") or 0, without_top(cfg), load_config(path, "backbone", cfg).net
    cfg.backbone = str(path.resolve())
    named = {name: net.get(name) if value is None else value for name, value in cfg.net.items()}
    cfg.net = {name: value for name, value in named.items() if value is not None or name in net}
    return drop_top(cfg, top, list(readers)) if top else cfg


def without_top(cfg: DictConfig) -> DictConfig:
    """Return a copy of a config without the key net.drop_top, which no net reads."""
    cfg = cfg.copy()
    cfg.net = {name: value for name, value in cfg.net.items() if name != "drop_top"}
    return cfg


def drop_top(cfg: DictConfig, top: Any, readers: Sequence[str]) -> DictConfig:
    """Return the config without the top hidden layers of the backbone: not in the net, and dropped by its readers."""
    hidden = list(cfg.net.get("hidden") or [])
    told = f"a number of top hidden layers to leave out, from 0 to {len(hidden) - 1}: the backbone has {len(hidden)}"
    require(type(top) is int and 0 < top < len(hidden), "net.drop_top", top, told)
    cfg.net.hidden = hidden[:-top]
    for name in readers:
        dropped = [f"hidden_layers.{place}.*" for place in range(len(hidden) - top, len(hidden))]
        cfg.techniques[name].dropped = [*(cfg.techniques[name].get("dropped") or []), *dropped]
    return cfg


def searched(folder: Path) -> bool:
    """Return whether a learning-rate search of the run in `folder` is finished."""
    return (folder / "lr_search.csv").exists() and (folder / "config.yaml").exists()


def settle_rate(cfg: DictConfig, folder: Path) -> DictConfig:
    """Return the config with the learning rate that a search found before this run was interrupted."""
    if "lr_search" in cfg and searched(folder):
        cfg = cfg.copy()
        cfg.optimizer.lr = load_config(folder, "resume", cfg).optimizer.lr
    return cfg


def load_results(folder: Path) -> dict[str, Any]:
    """Return the results of a finished run. Raise UserError for those of another form."""
    results = read_results(folder)
    whole = {"epoch/diverged", "time/epoch_s", "time/fit_s", "memory/peak_mb"} <= set(results)
    require(whole, "results.json", folder, NO_RESULTS)
    return results


def require_same_data(
    now: dict[str, Any], then: dict[str, Any], data: DictConfig | None = None, key: str = "data.root"
) -> None:
    """Raise UserError unless the data has the checksums of an earlier run.

    `data` is the config of dnnx's own data, and `key` the one to type for another folder, if such data lies in one.
    """
    changed = [name for name, checksum in then["files"].items() if now["files"].get(name) != checksum]
    restore = f"restore the data as it was{': ' if changed else ''}{', '.join(changed)}"
    advice = f"give {key}=..." if "root" in (data or {}) else restore
    same = now["source"] == then["source"] and now["files"] == then["files"]
    require(same, "data", now["source"], f"not the data of the run ({then['note']}, by checksum); {advice}")


def load_data(folder: Path) -> dict[str, Any]:
    """Return the facts about a run's data."""
    try:
        data = schema.data(read_json(folder / "data.json"))
    except ValueError as error:
        raise UserError(f"{folder / 'data.json'}: {error}") from None
    require({"source", "note", "files"} <= set(data), "data.json", folder, "it lacks source, note or files")
    return data


def finished(cfg: DictConfig, folder: Path) -> bool:
    """Return whether the run in `folder` has results and `cfg` asks for no more epochs than it had."""
    if not (folder / "results.json").exists():
        return False
    return cfg.trainer.max_epochs <= load_config(folder, "resume", cfg).trainer.max_epochs
