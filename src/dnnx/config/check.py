"""Settles what a composed config asks for before anything heavy is imported: its keys, its seeds, its resume."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from dnnx.basics.errors import UserError, choose, differences, fits, in_words, require, shown, unknown_key
from dnnx.config.app import CONF, flatten, no_option
from dnnx.config.trust import check_run, limit
from dnnx.runs import schema
from dnnx.runs.files import read_json, read_yaml, write_text
from dnnx.runs.legacy import modernized

# What may differ when a run goes on: where things are, how long, on what, and how it is shown.
FREE_ON_RESUME = (
    "resume", "packages", "paths", "data.root", "trainer.max_epochs", "trainer.accelerator", "callbacks.progress",
)  # fmt: skip

# What a key is set to that leaves a run as it was before there was such a key.
OFF: tuple[object, ...] = (None, False, "plain", "zeros", "before", {}, [])

MOST_EPOCHS, MOST_SEEDS = 100_000, 10_000  # more is a slip of the finger, and would fill the memory

# Lightning's options that are as conf/trainer/ has them, and those that would tie seeds together or cut an epoch.
FIXED_TRAINER_KEYS = {
    "devices": (1, "many small networks fill one device, so spread runs instead"),
    "num_sanity_val_steps": (0, "a sanity check would count as a result"),
    "logger": (False, "the run folder is the log"),
    "enable_checkpointing": (False, "callbacks.checkpoint saves, for each seed its own best"),
}
REFUSED_TRAINER_KEYS = (
    "gradient_clip_val", "accumulate_grad_batches", "val_check_interval", "check_val_every_n_epoch",
    "limit_train_batches", "limit_val_batches", "overfit_batches", "fast_dev_run", "max_steps",
)  # fmt: skip

# The options of the group `module` of before, and what to type instead.
INSTEAD = {
    "classifier": "task=classification is the default",
    "transfer": "type +technique=pretrained, and techniques.pretrained.frozen=... for module.frozen",
    "pairs": "type task=pairs net=twin_tower",
    "autoencoder": "type task=reconstruction net=autoencoder",
}
ACCELERATORS = ("auto", "cpu", "cuda", "gpu")

# What a key of conf/*.yaml may be where its value there does not tell; a key that ends in a dot stands for all below.
KINDS: dict[str, Any] = {
    "seeds": Any,  # parse_seeds
    "timeout": float | None,
    "trial": list[str],
    "study.verdicts": list[dict],
    "study.claims": Any,
    "study.claims.": Any,
    "study.arms.": list[str],
    "study.axes.": str | int | float,
    "packages": list[str],
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
}


def check(cfg: DictConfig) -> None:
    """UserError for a key that nothing would read, and for what no run can do."""
    check_keys(cfg, "train")
    module = cfg.get("module")
    told = "null, or a LightningModule of yours, module._target_=my_project.Lit"
    told = INSTEAD.get(str(module), told)
    require(module is None or isinstance(module, DictConfig), "module", module, told)
    check_run(cfg)
    epochs = cfg.trainer.get("max_epochs")
    valid = type(epochs) is int and 1 <= epochs <= MOST_EPOCHS
    require(valid, "trainer.max_epochs", epochs, f"a whole number of at least 1, at most {MOST_EPOCHS:,}")
    choose("trainer.accelerator", cfg.trainer.get("accelerator"), dict.fromkeys(ACCELERATORS))
    for name, (value, why) in FIXED_TRAINER_KEYS.items():
        found = cfg.trainer.get(name)
        require(found == value, f"trainer.{name}", shown(found), f"only {str(value).lower()} is valid: {why}")
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
        found = isinstance(cfg.callbacks.get(name), DictConfig)
        require(found, f"callbacks.{name}", cfg.callbacks.get(name), "every run needs it; patience=1000 never stops")
    cycle, patience = cfg.scheduler.get("epochs"), cfg.callbacks.early_stopping.get("patience")
    require(cycle in (None, epochs), "scheduler.epochs", cycle, f"the run's own {epochs}; set trainer.max_epochs alone")
    require(
        not (type(cycle) is int and type(patience) is int and patience < cycle),
        "callbacks.early_stopping.patience", patience,
        f"it could cut the schedule's {cycle} epochs short; type callbacks.early_stopping.patience={cycle}",
    )  # fmt: skip


def check_keys(cfg: DictConfig, *names: str) -> None:
    """UserError for a key that is in none of conf/<name>.yaml, for a value of another kind than there (text, where it
    is null there), and for a group without an option."""
    groups, own = _stated(names)
    for group in groups - {"lr_search"}:
        if not isinstance(cfg.get(group), DictConfig):
            raise no_option(group, cfg.get(group))
    for key, value in flatten(OmegaConf.to_container(cfg)).items():
        if key.split(".")[0] in groups:
            continue
        wide = next((prefix for prefix in KINDS if prefix.endswith(".") and key.startswith(prefix)), None)
        if key not in own and wide is None:
            raise UserError(unknown_key(key, [*groups, *own]))
        kind = KINDS[wide] if wide else KINDS.get(key, _kind(own[key]))
        require(fits(value, kind), key, shown(value), in_words(kind))


@cache
def _stated(names: tuple[str, ...]) -> tuple[set[str], dict[str, Any]]:
    """The groups that these files of conf/ choose from, and their own keys with their values."""
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


def parse_seeds(seeds: Any) -> list[int]:
    """`5` is 0 to 4; a list is itself."""
    few = type(seeds) is int and seeds <= MOST_SEEDS
    parsed = list(range(seeds)) if few else seeds if isinstance(seeds, ListConfig | list) else []
    valid = all(type(seed) is int and 0 <= seed < 2**63 for seed in parsed) and len(set(parsed)) == len(parsed)
    require(
        valid and 1 <= len(parsed) <= MOST_SEEDS, "seeds", shown(seeds),
        f"a count of at least 1, at most {MOST_SEEDS:,}, or different whole numbers, for example seeds=[3,7]",
    )  # fmt: skip
    return list(parsed)


def save_config(cfg: DictConfig, path: Path) -> None:
    """Writes the config with nothing left to resolve, so that it means the same anywhere."""
    write_text(path, OmegaConf.to_yaml(cfg, resolve=True))


def load_config(folder: Path, key: str, typed: DictConfig | None = None) -> DictConfig:
    """The config of a run folder that the user gave as `key`.

    Raise UserError if it names code that neither conf/ nor the config `typed` names, of none of its `packages`.
    """
    path = folder / "config.yaml"
    if (folder / "study.json").is_file():
        raise UserError(f"{key}={folder}: it is a study; give one of its arms, or resume={folder} with nothing else")
    require(path.is_file(), key, folder, "it holds no config.yaml; give a run folder such as outputs/dense5/latest")
    cfg = modernized(read_yaml(path, str(path)))
    needed = ("data", "net", "task", "optimizer", "scheduler", "trainer", "callbacks")
    groups = [cfg.get(name) for name in needed] if isinstance(cfg, DictConfig) and "seeds" in cfg else [None]
    whole = all(isinstance(group, DictConfig) for group in [*groups, *(groups[-1] or {}).values()])
    require(whole, key, folder, "its config.yaml is not that of a run")
    assert isinstance(cfg, DictConfig)
    limit(cfg, [] if typed is None else typed.packages, typed)
    return cfg


def resumed_config(cfg: DictConfig, folder: Path, overrides: Sequence[str]) -> DictConfig:
    """The folder's own config when nothing but `resume` was given, else `cfg`, which must ask for the same run."""
    check_run(cfg)
    saved, cfg = load_config(folder, "resume", cfg), settle_rate(settle_backbone(cfg, folder), folder)
    typed = {override.partition("=")[0] for override in overrides}
    if all(key.startswith(FREE_ON_RESUME) for key in typed):  # all else is as it was
        for key in typed - {"resume"}:
            OmegaConf.update(saved, key, OmegaConf.select(cfg, key))
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


A_BACKBONE = "type the folder of one, such as backbone=outputs/bn_vs_plain/latest/bn"


def settle_backbone(cfg: DictConfig, folder: Path) -> DictConfig:
    """The config with the backbone's run folder found, and the null values of `net` filled in from its network."""
    readers = {name: t.backbone for name, t in (cfg.get("techniques") or {}).items() if t and "backbone" in t}
    if cfg.backbone is None:
        require(not readers, "backbone", "null", f"technique={', '.join(readers)} needs a finished run; {A_BACKBONE}")
        return cfg
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
    cfg, net = cfg.copy(), load_config(path, "backbone", cfg).net
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
        cfg.optimizer.lr = load_config(folder, "resume", cfg).optimizer.lr
    return cfg


def load_results(folder: Path) -> dict[str, Any]:
    """The results of a finished run."""
    told = "it is not that of a run; delete it and type resume=<this folder>"
    try:
        results = schema.results(read_json(folder / "results.json"))
    except ValueError as error:
        raise UserError(f"results.json={folder}: {told} ({error})") from None
    whole = {"epoch/diverged", "time/epoch_s", "time/fit_s", "memory/peak_mb"} <= set(results)
    require(whole, "results.json", folder, told)
    return results


def require_same_data(now: dict[str, Any], then: dict[str, Any], key: str) -> None:
    """UserError, which says to give `key`, unless the data is by checksum that of a run."""
    same = now["source"] == then["source"] and now["files"] == then["files"]
    require(same, "data", now["source"], f"not the data of the run ({then['note']}, by checksum); give {key}=...")


def load_data(folder: Path) -> dict[str, Any]:
    """What a run was trained on."""
    try:
        data = schema.data(read_json(folder / "data.json"))
    except ValueError as error:
        raise UserError(f"{folder / 'data.json'}: {error}") from None
    require({"source", "note", "files"} <= set(data), "data.json", folder, "it does not say what the data was")
    return data


def finished(cfg: DictConfig, folder: Path) -> bool:
    """Whether the run in `folder` has its results and `cfg` does not ask for more epochs than it was given."""
    if not (folder / "results.json").exists():
        return False
    return cfg.trainer.max_epochs <= load_config(folder, "resume", cfg).trainer.max_epochs
