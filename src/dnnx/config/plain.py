"""A user's own LightningModule in a config: how it is recognized, and the keys that it does not use."""

from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.errors import UserError, choose, require
from dnnx.config.callbacks import require_callbacks
from dnnx.config.overrides import key_of
from dnnx.config.trainer import require_trainer

OURS = "dnnx."
# Groups and keys of dnnx's networks; a LightningModule has its own.
UNREAD = ("net", "task", "optimizer", "scheduler", "lr_search")
KEYS_OFF: dict[str, object] = {
    "techniques": {},
    "metrics": {},
    "backbone": None,
    "mc_dropout": 0,
    "replicas": "auto",
    "fast": True,
}
OUR_CALLBACKS = ("early_stopping", "checkpoint", "record", "progress")
REFUSED_TRAINER_KEYS = ("fast_dev_run", "max_steps", "plugins")
FIXED_TRAINER_KEYS = {
    "devices": (1, "seeds are trained one by one on one device"),
    "num_sanity_val_steps": (0, "a sanity check would draw random numbers before the first epoch"),
    "logger": (False, "type +logger.csv._target_=lightning.pytorch.loggers.CSVLogger instead"),
    "enable_checkpointing": (False, "each seed's best and last weights are saved in checkpoints/"),
}


def is_plain(cfg: DictConfig) -> bool:
    """Return whether `cfg` names a LightningModule that is not one of dnnx's own."""
    module = cfg.get("module")
    target = module.get("_target_") if isinstance(module, DictConfig) else None
    return isinstance(target, str) and not target.startswith(OURS)


def settle(cfg: DictConfig, typed: Sequence[str]) -> DictConfig:
    """Return the config without the groups that a LightningModule does not use.

    Raise UserError if one of them was `typed`.
    """
    if not is_plain(cfg):
        return cfg
    for override in typed:
        group = key_of(override).partition(".")[0].partition("/")[0]
        unread = group in (*UNREAD, "technique") or (group in KEYS_OFF)
        told = f"it is not read: module._target_={cfg.module._target_} brings its own; type module.<name>=..."
        if unread and not override.startswith("~"):
            raise UserError(f"{override}: {told}")
    cfg = cfg.copy()
    OmegaConf.set_struct(cfg, False)
    for group in UNREAD:
        cfg.pop(group, None)
    for key in KEYS_OFF.keys() & cfg.keys():
        cfg[key] = KEYS_OFF[str(key)]
    return cfg


def check(cfg: DictConfig) -> None:
    """Raise UserError for a setting that a user's LightningModule does not support."""
    require_trainer(cfg.trainer, FIXED_TRAINER_KEYS, REFUSED_TRAINER_KEYS, "every epoch has its validation")
    callbacks = require_callbacks(cfg, "early_stopping")
    patience = callbacks["early_stopping"].get("patience")
    valid = type(patience) is int and patience >= 1
    require(valid, "callbacks.early_stopping.patience", patience, "a whole number of epochs, at least 1")
    for name, callback in callbacks.items():
        target = str(callback.get("_target_"))
        told = "it reads networks of dnnx; a LightningModule of your own takes callbacks of Lightning"
        require(name in OUR_CALLBACKS or not target.startswith(OURS), f"callbacks.{name}", target, told)
    require(not (cfg.get("monitor_mode") and not cfg.monitor), "monitor_mode", cfg.get("monitor_mode"),
            "type monitor=... beside it, the name that the module logs")  # fmt: skip
    if cfg.get("monitor_mode") is not None:
        choose("monitor_mode", cfg.monitor_mode, {"min": None, "max": None})
