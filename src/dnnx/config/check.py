"""Check a composed config before heavy imports: its keys, and values that no run can have."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.errors import UserError, choose, fits, in_words, is_number, require, shown, unknown_key
from dnnx.config import plain
from dnnx.config.callbacks import require_callbacks
from dnnx.config.explain import ARMS, flatten, quoted_items
from dnnx.config.overrides import no_option
from dnnx.config.paths import CONF
from dnnx.config.trainer import require_trainer

# Lightning's options that conf/trainer/ fixes, and those that would mix seeds or cut an epoch short.
FIXED_TRAINER_KEYS = {
    "devices": (1, "many small networks fill one device, so spread runs instead"),
    "num_sanity_val_steps": (0, "a sanity check would count as a result"),
    "logger": (False, "the run folder is the log"),
    "enable_checkpointing": (False, "callbacks.checkpoint saves, for each seed its own best"),
}
PRECISIONS = (None, 32, "32", "32-true", "bf16-mixed", "bf16")
REFUSED_TRAINER_KEYS = (
    "gradient_clip_val", "accumulate_grad_batches", "val_check_interval", "check_val_every_n_epoch",
    "limit_train_batches", "limit_val_batches", "overfit_batches", "fast_dev_run", "max_steps",
)  # fmt: skip

# Options of the former group `module`, and their replacements.
INSTEAD = {
    "classifier": "task=classification is the default",
    "transfer": "type +technique=pretrained, and techniques.pretrained.frozen=... for module.frozen",
    "pairs": "type task=pairs net=twin_tower",
    "autoencoder": "type task=reconstruction net=autoencoder",
}
ACCELERATORS = ("auto", "cpu", "cuda", "gpu")

# Types of keys of conf/*.yaml whose default does not show it. A key that ends in a dot covers all keys below it.
KINDS: dict[str, Any] = {
    "seeds": Any,  # parse_seeds
    "shard": Any,
    "jobs": Any,  # check_jobs
    "timeout": float | None,
    "trial": list[str],
    "in_shape": list[int] | None,
    "study.verdicts": list[dict],
    "study.claims": Any,
    "study.claims.": Any,
    "study.arms.": list[str],
    "study.axes.": str | int | float,
    "study.published.": Any,  # studies.published
    "study.looks": Any,  # studies.planned_looks
    "study.max_seeds": Any,
    "study.until": Any,
    "packages": list[str],
    "seed": int | None,  # of predict, export and sample
    "inputs": str | list[str],
    "prompt": str | int | float,
    "metrics.": Any,
    "weights": str | list[str],
    "fresh": list[str],
    "dropped": list[str],
    "map.": str,
    "space.": Any,
    "module": Any,
    "module.": Any,
    "techniques": dict,
    "techniques.": Any,
    "metrics": dict,
    "derived.": Any,
    "logger": dict,
    "logger.": Any,
}

# Numbers of dnnx's own options that are known to be wrong before torch is imported, with what is valid.
RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "optimizer.lr": (lambda rate: 0 < rate < math.inf, "a number above 0, for example optimizer.lr=1e-3"),
    "net.dropout": (lambda share: 0 <= share < 1, "a share in [0, 1), for example net.dropout=0.3"),
    "net.input_dropout": (lambda share: 0 <= share < 1, "a share in [0, 1), for example net.input_dropout=0.3"),
}


def check(cfg: DictConfig) -> None:
    """Raise UserError for a key that nothing reads, and for a value that no run can have."""
    check_jobs(cfg.get("jobs"))
    nodes = cfg.trainer.get("num_nodes", 1)
    require(nodes == 1, "trainer.num_nodes", nodes, "only 1 is valid: a run is one process; a launcher spreads runs")
    told = "this is a single run, without arms and claims that could be decided; leave it out"
    study = cfg.get("study") or {}
    require(study.get("until") is None or bool(study.get("arms")), "study.until", study.get("until"), told)
    if plain.is_plain(cfg):
        check_keys(cfg, "train", unread=plain.UNREAD)
        plain.check(cfg)
        return
    check_keys(cfg, "train")
    require(cfg.monitor is None, "monitor", cfg.monitor, "dnnx's networks are monitored by val/loss; leave it out")
    module = cfg.get("module")
    told = "null, or a LightningModule of yours, module._target_=my_project.Lit"
    told = INSTEAD.get(str(module), told)
    require(module is None or isinstance(module, DictConfig), "module", module, told)
    check_trainer(cfg.trainer)
    check_callbacks(cfg)
    check_ranges(cfg)


def check_trainer(trainer: DictConfig) -> None:
    """Raise UserError for an option of Lightning's Trainer that no run can have."""
    told = "leave it out: seeds are independent and epochs complete"
    require_trainer(trainer, FIXED_TRAINER_KEYS, REFUSED_TRAINER_KEYS, told)
    choose("trainer.accelerator", trainer.get("accelerator"), dict.fromkeys(ACCELERATORS))
    precision = trainer.get("precision")
    told = "type 32-true or bf16-mixed; dnnx scales no loss, and data and networks are in 32 bits"
    require(precision in PRECISIONS, "trainer.precision", precision, told)


def check_callbacks(cfg: DictConfig) -> None:
    """Raise UserError without a callback that every run needs, or for a patience that would cut a schedule short."""
    callbacks = require_callbacks(cfg, "early_stopping", "record", "checkpoint")
    cycle, patience = cfg.scheduler.get("epochs"), callbacks["early_stopping"].get("patience")
    told = f"the run's own {cfg.trainer.max_epochs}; set trainer.max_epochs alone"
    require(cycle in (None, cfg.trainer.max_epochs), "scheduler.epochs", cycle, told)
    is_short = type(cycle) is int and type(patience) is int and patience < cycle
    told = f"it could cut the schedule's {cycle} epochs short; type callbacks.early_stopping.patience={cycle}"
    require(not is_short, "callbacks.early_stopping.patience", patience, told)


def check_ranges(cfg: DictConfig) -> None:
    """Raise UserError for a number of an option of dnnx or torch that is out of its range."""
    for key, (is_valid, told) in RANGES.items():
        group, value = key.split(".")[0], OmegaConf.select(cfg, key)
        is_known = str(OmegaConf.select(cfg, f"{group}._target_")).startswith(("dnnx.", "torch."))
        require(not (is_known and is_number(value)) or is_valid(value), key, shown(value), told)


def check_jobs(jobs: Any) -> None:
    """Raise UserError unless `jobs` is None or a number of workers."""
    valid = jobs is None or (type(jobs) is int and jobs >= 1)
    told = "null for one worker per core, or a number of workers; jobs=1 trains one arm after the other"
    require(valid, "jobs", shown(jobs), told)


def check_keys(cfg: DictConfig, *names: str, unread: tuple[str, ...] = ()) -> None:
    """Raise UserError for a key that is in none of conf/<name>.yaml, a value of the wrong type, or a group without
    option.

    A value has the type of its default; where that is null, it is text.
    """
    groups, own = _stated(names)
    for key in (key for key in map(str, cfg) if "." in key):  # such a key of a file would change nothing
        *above, last = key.split(".")
        inside = f"{': {'.join(above)}: {{{last}: {shown(cfg[key])}{'}' * len(above)}"
        raise UserError(f"{key}={shown(cfg[key])}: a file takes one key in each level; write {inside}")
    for group in groups - {"lr_search", "baseline", *unread}:
        if not isinstance(cfg.get(group), DictConfig):
            raise no_option(group, cfg.get(group))
    for key, value in flatten(OmegaConf.to_container(cfg)).items():
        if key.split(".")[0] in groups:
            continue
        wide = next((prefix for prefix in KINDS if prefix.endswith(".") and key.startswith(prefix)), None)
        if key not in own and wide is None:
            raise UserError(unknown_key(key, [*groups, *own]))
        kind = KINDS[wide] if wide else KINDS.get(key, _kind(own[key]))
        told = ARMS if key == "study.arms" else in_words(kind)
        if wide == "study.arms." and isinstance(value, str):
            told = f"a list of overrides, such as {quoted_items(value if value.startswith('[') else f'[{value}]')}"
        require(fits(value, kind), key, shown(value), told)


@cache
def _stated(names: tuple[str, ...]) -> tuple[set[str], dict[str, Any]]:
    """Return the groups in the defaults of these files of conf/, and their own keys with values."""
    groups: set[str] = set()
    own: dict[str, Any] = {}
    for name in names:
        base: Any = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
        defaults = [default for default in base.pop("defaults") if isinstance(default, dict)]
        groups |= {group for default in defaults for group in default if not group.startswith("override ")}
        own |= {key: value for key, value in flatten(base).items() if not key.startswith("hydra")}
    return groups, own


def _kind(default: Any) -> Any:
    return str | None if default is None else type(default)
