"""Compose configs from conf/ and the user's folders, and refuse those that would make Hydra run foreign code."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import hydra
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

from dnnx.basics.errors import UserError, message_of, require
from dnnx.basics.typed import remember
from dnnx.config.overrides import Typed, choose_groups, parse
from dnnx.config.own_code import own_targets
from dnnx.config.own_experiment import check_experiment
from dnnx.config.paths import CONF, experiment
from dnnx.config.secrets import secret_values
from dnnx.runs import schema

OF_HYDRA = "hydra._internal.core_plugins."
OWN_SWEEPER, BASIC_SWEEPER = "hydra_plugins.dnnx_sweeper.sweeper.StudySweeper", f"{OF_HYDRA}basic_sweeper.BasicSweeper"


def compose(
    name: str, overrides: Sequence[str], folders: Iterable[str] | None = None, with_hydra: bool = False
) -> DictConfig:
    """Compose the config `name` from conf/ and `folders`, by default the user's folders of the current Hydra job.

    With `with_hydra` the config has the node `hydra`.
    """
    own = list(own_folders() if folders is None else folders)
    words = own_targets(choose_groups(overrides), name, own)
    _check_experiment(name, words, own)
    paths = ",".join(f"file://{folder}" for folder in own)
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose(name, [*words, f"hydra.searchpath=[{paths}]"], return_hydra_config=with_hydra)
    remember(secret_values(config))
    return config


def _check_experiment(name: str, words: Sequence[str], folders: Iterable[str]) -> None:
    """Raise UserError for an experiment of the user's with the name of one of dnnx, or one that Hydra would misread."""
    for override in parse(words).values():
        chosen = override.value() if override.key_or_group == "exp" else None
        for path in [Path(folder, "exp", f"{chosen}.yaml") for folder in folders if isinstance(chosen, str)]:
            told = f"dnnx has an experiment of this name; give yours, {path}, another name"
            require(not path.exists() or experiment(str(chosen)) is None, "exp", chosen, told)
            if path.exists():
                check_experiment(path, name)


def compose_typed(name: str, typed: Typed) -> DictConfig:
    """Compose the config that Hydra will compose from a command line, and check its node `hydra`.

    The folders of --config-dir were checked by `require_small_files` before.

    Swept keys have their defaults, as in the config of Hydra's multirun.
    """
    require("--config-path" not in typed.values, "--config-path", "...", "give your own folder with --config-dir")
    parsed, searched, kept = parse(typed.overrides), list[str](), list[str]()
    for place, word in enumerate(typed.overrides):
        override = parsed.get(place)
        if override is not None and override.key_or_group == "hydra.searchpath":
            searched += [str(path).removeprefix("file://") for path in override.value() or []]  # type: ignore[union-attr]
        elif override is None or not override.is_sweep_override():
            kept.append(word)
    require_small_files(searched)
    folders = [*typed.config_dirs, *searched]
    config = compose(typed.values.get("--config-name", name), kept, folders, with_hydra=True)
    refuse_foreign(config.hydra, name)
    return config


def require_small_files(folders: Iterable[str]) -> None:
    """Raise UserError for a config of the user's folders that would fill the memory, or that Python cannot nest."""
    groups = [path.name for path in CONF.iterdir() if path.is_dir()]
    for place in (Path(folder, group) for folder in folders for group in groups):
        for path in sorted(place.rglob("*.yaml")):
            try:
                schema.require_small(path.read_text())
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}: {message_of(error)}") from None
            except (YAMLError, OSError):
                pass  # Hydra reports it, if it reads the file


def own_folders() -> list[str]:
    """Return the folders of the user's configs in the current Hydra job."""
    return config_dirs(HydraConfig.get())


def config_dirs(job: DictConfig | HydraConf) -> list[str]:
    """Return the folders that the user gave to a job by --config-dir or hydra.searchpath."""
    return [source.path for source in job.runtime.config_sources if source.provider.endswith("command-line")]


def without_hydra(config: DictConfig) -> DictConfig:
    """Return the config of a run without Hydra's own node."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def refuse_foreign(job: DictConfig, name: str = "train") -> None:
    """Raise UserError if the node `hydra` of the command `name` would run foreign code."""
    for key, callback in (job.callbacks or {}).items():
        target = callback.get("_target_")
        require(False, f"hydra.callbacks.{key}._target_", target, "no callback of Hydra runs here; leave it out")
    launcher, sweeper = str(job.launcher.get("_target_")), str(job.sweeper.get("_target_"))
    known = launcher.startswith(("hydra_plugins.", OF_HYDRA))
    require(known, "hydra.launcher._target_", launcher, "one of Hydra's and its plugins")
    own = OWN_SWEEPER if name == "train" else BASIC_SWEEPER
    require(sweeper == own, "hydra.sweeper._target_", sweeper, "leave it as it is in conf/")
    for kind in ("job_logging", "hydra_logging"):
        given = {key for key, value in (job[kind] or {}).items() if value}
        require(given <= {"version"}, f"hydra.{kind}", "...", "leave it as it is in conf/")
    require(not job.job.env_set, "hydra.job.env_set", "...", "set variables in your shell instead")
