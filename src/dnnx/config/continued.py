"""The config of a run that goes on: that of its folder, or a typed one that must describe the same run."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from dnnx.basics.counts import many
from dnnx.basics.errors import UserError, differences, require
from dnnx.basics.typed import HIDDEN, is_hidden, without_secrets
from dnnx.config.explain import flatten
from dnnx.config.overrides import LENGTH, key_of
from dnnx.config.resume import load_config, settle_backbone, settle_rate
from dnnx.config.seeds import union
from dnnx.runs import shard_files
from dnnx.runs.files import read_yaml
from dnnx.runs.tables import epochs_in

# Keys that may differ when a run continues: places, length, device, display.
FREE_ON_RESUME = (
    "resume", "jobs", "packages", "paths", "data.root", "trainer.max_epochs", "trainer.accelerator",
    "callbacks.progress", "report",
)  # fmt: skip

OF_SEEDS = ("seeds", "shard")  # a run takes more seeds; it never loses one

# Values of keys that older run folders lack; with them a run is unchanged.
OFF: tuple[object, ...] = (None, False, "plain", "zeros", "before", "auto", {}, [])


def resumed_config(cfg: DictConfig, folder: Path, overrides: Sequence[str]) -> DictConfig:
    """Return the folder's config if only `resume` was typed, else `cfg`, which must describe the same run."""
    saved = load_config(folder, "resume", cfg)
    typed, hidden = {key_of(override) for override in overrides}, secrets(saved)
    if "seeds" not in typed:
        cfg.seeds = saved.seeds
    free = {*OF_SEEDS, *hidden}
    if not all(key.startswith(FREE_ON_RESUME) or key in free for key in typed):
        return same_run(cfg, folder, saved)
    for override in overrides:  # all other keys are the folder's
        key = key_of(override)
        if override.startswith("~"):
            _delete(saved, key)
        elif key not in ("resume", "seeds"):
            OmegaConf.update(saved, key, OmegaConf.select(cfg, key), force_add=True)
    for key in hidden - typed:
        plus = "+" if key.startswith("logger.") else "++"
        told = f"it is a secret, which the run folder does not keep; type it too: '{plus}{key}=${{oc.env:NAME}}'"
        raise UserError(f"{key}={HIDDEN}: {told}")
    saved.seeds = union(saved.seeds, cfg.seeds)
    require_epochs(saved, folder)
    return saved


def _delete(cfg: DictConfig, key: str) -> None:
    """Delete a key of a config, if it is there."""
    above, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, above) if above else cfg
    if node is not None and name in node:
        with open_dict(node):
            del node[name]


def same_run(cfg: DictConfig, folder: Path, saved: DictConfig) -> DictConfig:
    """Return the config with its seeds and those of the run in `folder`. Raise UserError if that is another run.

    `saved` is the config of the folder.
    """
    cfg = settle_rate(settle_backbone(cfg, folder), folder)
    if found := differing(saved, cfg):
        raise UserError(
            f"resume={cfg.resume}: that run has another config: {', '.join(found)}; "
            f"to go on with it as it is, type only resume={cfg.resume}"
        )
    cfg.seeds = union(saved.seeds, cfg.seeds)
    require_epochs(cfg, folder)
    return cfg


def secrets(cfg: DictConfig) -> set[str]:
    """Return the keys whose secrets the file of a config does not hold."""
    flat = flatten(OmegaConf.to_container(cfg, resolve=True))
    return {key for key, value in flat.items() if any(map(is_hidden, value if isinstance(value, list) else [value]))}


def require_epochs(cfg: DictConfig, folder: Path) -> None:
    """Raise UserError if the run in `folder` has trained more epochs than its config is to say."""
    last, done = cfg.trainer.get("max_epochs"), trained_epochs(cfg, folder)
    told = f"it has trained {many(done, 'epoch')}; type {done} or more, or leave it out"
    require(type(last) is not int or last >= done, "trainer.max_epochs", last, told)


def trained_epochs(cfg: DictConfig, folder: Path) -> int:
    """Return the last epoch of a run and of its shards; 0 without any.

    A finished run or shard of the length in `cfg` trains no further, so epochs that an error lost do not count.
    """
    parts = [part for part in (folder, *shard_files.folders(folder)) if not _is_finished(part, cfg)]
    return max((epochs_in(part / "metrics.csv") for part in parts), default=0)


def _is_finished(run: Path, cfg: DictConfig) -> bool:
    """Return whether a run has results of as many epochs as `cfg` asks for."""
    path = run / "config.yaml"
    if not (run / "results.json").is_file() or not path.is_file():
        return False
    with suppress(UserError):  # who reads the run says what is wrong with it
        return OmegaConf.select(read_yaml(path, str(path)), LENGTH) == cfg.trainer.get("max_epochs")
    return False


def differing(saved: DictConfig, cfg: DictConfig, but: Sequence[str] = ()) -> list[str]:
    """Return the keys in which two configs are not those of one run, with both values.

    Place, length, seeds and display of a run may differ, the claims of its study, and the groups `but`.
    """
    plain: Any = [OmegaConf.to_container(config, resolve=True) for config in (saved, cfg)]
    old, new = (flatten(config | {"logger": without_secrets(config.get("logger") or {})}) for config in plain)
    absent = {key for key in new.keys() ^ old.keys() if new.get(key, old.get(key)) in OFF}
    leaves = {key for key in (old.keys() | new.keys()) - absent if not isinstance(old.get(key, new.get(key)), dict)}
    free = (*FREE_ON_RESUME, "study.", *(f"{group}." for group in but))
    fixed = {key for key in leaves if not key.startswith(free) and key not in (*OF_SEEDS, *but)}
    fixed -= {key for key in fixed if HIDDEN in str(old.get(key))}
    return differences(old, new, fixed)
