"""What every Hydra command shares: where conf/ is, one-line errors, exit codes. Imports no torch."""

import atexit
import functools
import inspect
import logging
import os
import re
import shlex
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from typing import Any

import hydra
from hydra._internal import hydra as hydra_app
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from yaml import YAMLError

from dnnx.basics.errors import UserError, is_out_of_memory, near_misses, require, shown, unknown_key
from dnnx.config.own_code import own_targets
from dnnx.config.paths import CONF, options
from dnnx.runs import schema
from dnnx.runs.files import read_json, remove_empty

MADE: dict[Path, Path] = {}  # folders, and the outputs folder that each is in
FAILED = "failed.txt"  # in the folder of a job
FAILURES: list[str] = []  # what went wrong in this process; any makes the exit code 2


class _Loader(ConfigLoaderImpl):
    """Hydra's, but what would have Hydra run the code of others is refused, wherever in a config it stands."""

    def load_configuration(self, *args: Any, **kwargs: Any) -> DictConfig:
        config = super().load_configuration(*args, **kwargs)
        for name, callback in (config.hydra.callbacks or {}).items():
            target = callback.get("_target_")
            require(target in CALLBACKS, f"hydra.callbacks.{name}._target_", target, f"one of {', '.join(CALLBACKS)}")
        for kind in ("launcher", "sweeper"):
            target = str(config.hydra[kind].get("_target_"))
            known = target.startswith(("hydra._internal.core_plugins.", "hydra_plugins."))
            require(known, f"hydra.{kind}._target_", target, "one of Hydra's and its plugins")
        for kind in ("job_logging", "hydra_logging"):
            given = {key for key, value in (config.hydra[kind] or {}).items() if value}
            require(given <= {"version"}, f"hydra.{kind}", "...", "leave it as it is in conf/")
        require(not config.hydra.job.env_set, "hydra.job.env_set", "...", "set variables in your shell instead")
        return config


CALLBACKS = ("dnnx.studies.study.StudyCallback", "hydra.experimental.callback.Callback")
hydra_app.ConfigLoaderImpl = _Loader  # type: ignore[misc]


def command(config_name: str) -> Callable[[Callable[[DictConfig], object]], Callable[[], None]]:
    """Turns a function of a config into a Hydra command in which a user's mistake is one line and exit code 2."""

    def decorate(task: Callable[[DictConfig], object]) -> Callable[[], None]:
        @functools.wraps(task)
        def guarded(cfg: DictConfig) -> object:
            try:
                return task(cfg)
            except (UserError, HydraException, OmegaConfBaseException, OSError) as error:  # the other jobs go on
                fail_job(explain(error, config_name, sys.argv[1:]))
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                fail_job("out of memory: fewer seeds, or a smaller net.hidden, data.batch_size or mc_dropout, may fit")
            return None

        run = hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(guarded)

        def main() -> None:
            ended: list[int] = []  # with which exit code
            if getattr(sys.modules["__main__"].__spec__, "name", "").startswith("dnnx."):  # python -m dnnx.<command>
                atexit.register(_leave, ended)
            os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing, and we print
            threading.excepthook = _in_thread
            try:
                sys.argv[1:] = sorted(sys.argv[1:], key=lambda argument: argument not in ("-m", "--multirun"))
                typed = own_targets(choose_groups(_retype_study(sys.argv[1:])), config_name)
                sys.argv[1:] = _name_jobs_by_swept_keys(typed)
                run()
            except (UserError, HydraException, OmegaConfBaseException, YAMLError, OSError) as error:
                fail(explain(error, config_name, sys.argv[1:]))
            except KeyboardInterrupt as error:
                print(str(error) or "interrupted", file=sys.stderr)
                ended.append(130)
            finally:
                for folder, outputs in MADE.items():
                    remove_empty(folder, outputs)
            ended.append(2 if FAILURES else 0)
            sys.exit(ended[0])

        return main

    return decorate


def _leave(ended: list[int]) -> None:
    """Ends the process, where a command came to its end: Python would take torch apart first, for 2 s."""
    if ended:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended[0])


def _in_thread(args: threading.ExceptHookArgs) -> None:
    """TensorBoard's writing thread prints a traceback when the disk is full, and then raises in the main thread too."""
    if not isinstance(args.exc_value, OSError):
        threading.__excepthook__(args)


def run_folder() -> Path:
    """The folder of the current Hydra job."""
    return Path(HydraConfig.get().runtime.output_dir)


def study_folder() -> Path:
    """The folder that holds all jobs of a multirun; of a single run its own."""
    hydra_config = HydraConfig.get()
    return Path(hydra_config.sweep.dir if hydra_config.mode == RunMode.MULTIRUN else hydra_config.run.dir).absolute()


def _folder(resume: str | None, outputs: str, *names: str) -> str:
    """Resolver `dnnx.folder`: the folder to resume, which must be there, or else a new one in `outputs`.

    Where another run of this name began in the same second, the new one gets a number.
    """
    if resume is None:
        new = _within(outputs, *names)
        return next(path for path in chain([new], (f"{new}_{i}" for i in count(2))) if _makes(path, outputs))
    found = isinstance(resume, str) and resume != "" and Path(resume).is_dir()
    require(found, "resume", shown(resume), "there is no such folder; try resume=outputs/dense5/latest")
    return str(Path(resume).resolve())


def _within(outputs: str, *names: str) -> str:
    """Resolver `dnnx.within`: a folder in `outputs`, which may be there."""
    require(isinstance(outputs, str) and outputs != "", "paths.outputs", shown(outputs), "a folder, such as outputs")
    for name in names:
        valid = isinstance(name, str) and name not in ("", ".", "..") and "/" not in name
        require(valid, "name", shown(name), "the name of a folder, such as dense5")
    return str(Path(outputs, *names))


def _sweep(arms: DictConfig | None, axes: DictConfig | None) -> dict[str, str]:
    """Resolver `dnnx.sweep`: what a study varies, for Hydra."""
    for key, value in (("arms", arms), ("axes", axes)):
        require(isinstance(value or {}, dict | DictConfig), f"study.{key}", shown(value), "a mapping, or {} for none")
    return {"arm": ",".join(map(str, arms))} | {str(key): value for key, value in (axes or {}).items()} if arms else {}


def _makes(folder: str, outputs: str) -> bool:
    """Whether the folder is this process's own; empty, it is gone when the command ends."""
    try:
        Path(folder).mkdir(parents=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise UserError(explain_os(error)) from None
    MADE[Path(folder).absolute()] = Path(outputs).absolute()
    return True


def _retype_study(arguments: list[str]) -> list[str]:
    """`resume=<study folder>`, alone or with overrides of hydra, stands for all that was typed to start that study."""
    resumed = [argument for argument in arguments if argument.startswith("resume=")]
    others = [argument for argument in arguments if argument not in resumed]
    if len(resumed) != 1 or not all(argument.startswith(("hydra", "packages=")) for argument in others):
        return arguments
    path = Path(resumed[0].removeprefix("resume="), "study.json")
    if not path.is_file():
        return arguments
    try:
        study = schema.study(read_json(path))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    for override in study.get("overrides", []):
        valid = re.match(r"hydra/launcher=\w+$|hydra\.launcher\.n_jobs=-?\d+$|(?![^=]*hydra)[+~]*\w", override)
        require(bool(valid), "overrides", override, f"{path} may not say this of Hydra; type it after {resumed[0]}")
    own = [word for folder in study.get("config_dir", []) for word in ("--config-dir", folder)]
    overrides = [o for o in study.get("overrides", []) if not re.match(r"\+*packages=", o)]  # it is typed each time
    return ["-m", *own, *overrides, *arguments]


def _parse(arguments: list[str]) -> dict[int, Override]:
    """The overrides among the arguments, by place."""
    places = [i for i, argument in enumerate(arguments) if not argument.startswith("-") and "=" in argument]
    try:
        overrides = OverridesParser.create().parse_overrides([arguments[i] for i in places])
    except HydraException:
        return {}  # Hydra will say what is wrong with it
    return dict(zip(places, overrides, strict=True))


def choose_groups(arguments: list[str]) -> list[str]:
    """The arguments with true and false for lr_search replaced by what they mean; UserError for what names no option.

    Hydra would raise its own errors.
    """
    chosen: list[str | None] = [*arguments]
    for place, override in _parse(arguments).items():
        group, value = override.key_or_group, override.value()
        if override.is_delete() or not (CONF / group).is_dir():
            continue
        if value == []:  # of a class of the user's
            continue
        if group == "lr_search" and (value is None or isinstance(value, bool)):
            chosen[place] = "lr_search=grid" if value else None
            continue
        for option in value.list if isinstance(value, ChoiceSweep) else [value]:
            if option in (None, "") or isinstance(option, bool | int | float | list | dict):
                raise no_option(group, option)
    return [argument for argument in chosen if argument is not None]


def no_option(group: str, found: object) -> UserError:
    """The error of a group of conf/ for which something was typed that is the name of no option."""
    return UserError(f"{group}={shown(found)}: choose one of {', '.join(options(group))}")


def _name_jobs_by_swept_keys(arguments: list[str]) -> list[str]:
    """The arguments, and the override that keeps what all jobs of a sweep share out of their folders' names."""
    parsed = _parse(arguments)
    overrides = list(parsed.values())
    swept = {override.key_or_group for override in overrides if override.is_sweep_override()}
    keys = [override.key_or_group for override in overrides]
    for key in swept:  # Hydra would let the last one win, and jobs share a folder
        require(keys.count(key) == 1, key, "...", f"it is given {keys.count(key)} times, once as a sweep; type it once")
    fixed = ["arm", *(key for key in keys if key not in swept), *(a[1:] for a in arguments if a.startswith("~"))]
    if not parsed:
        return arguments
    after = max(parsed) + 1
    names = f"hydra.job.config.override_dirname.exclude_keys=[{','.join(fixed)}]"
    return [*arguments[:after], names, *arguments[after:]]


def fail(message: str) -> None:
    """Says what is wrong; the command goes on with what it can and ends with exit code 2."""
    if message not in FAILURES:  # what every arm of a study fails at is said once
        print(f"error: {message}", file=sys.stderr)
    FAILURES.append(message)


def fail_job(message: str) -> None:
    """The same; the study hears of it by a file, as the job may be in another process."""
    fail(message)
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        with suppress(OSError):
            (run_folder() / FAILED).write_text(message)


def explain_os(error: OSError) -> str:
    """Which file, and what is wrong with it or the disk it is on."""
    return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)


def explain(error: Exception, config_name: str, arguments: Sequence[str]) -> str:
    """One line for what Hydra could not compose, with near misses for a misspelt key or option."""
    text = str(error)
    if isinstance(error, UserError):
        return text
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        return explain_os(error)
    if isinstance(error, OverrideParseException):
        return _explain_unparsed(error.override)
    if match := re.match("UserError raised while resolving interpolation: (.*)", text):
        return match[1]
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} has no value; type {error.full_key}=..., for example run=outputs/dense5/latest"
    if match := re.search(r"Could not override '(exp|debug|sweep)'", text):
        return f"{match[1]}: it is added to the config: type +{match[1]}=..."
    if match := re.search(r"Could not override '([^']+)'", text):
        if match[1].startswith("trainer.") and match[1].removeprefix("trainer.") in _trainer_arguments():
            return f"{match[1]}: it is not in conf/trainer; type +{match[1]}=... to add it for Lightning's Trainer"
        inner = re.search(r"full_key: (\S+)", text)  # where a mapping was typed
        return unknown_key(inner[1] if inner else match[1], _valid_keys(config_name, match[1], arguments))
    if match := re.match(r"Error merging override (.*)", text):
        return f"{match[1]}: a mapping belongs where there is one, and nothing else; --cfg job shows what there is"
    if match := re.search(r"Could not find '([^']+)'\s+Available options in '([^']+)':((?:\s+\S+$)+)", text, re.M):
        option, options = match[1].removeprefix(match[2] + "/"), match[3].split()
        return f"{match[2]}={option}: choose one of {', '.join(options)}{near_misses(option, options)}"
    return " ".join(text.split())


def _explain_unparsed(argument: str) -> str:
    """One line for an argument that Hydra's grammar refuses, with quotes where they help."""
    key, equals, value = argument.partition("=")
    if not equals:
        return f"{argument}: missing EQUAL sign; type {argument}=..."
    quoted = f'{key}="{value}"'
    try:
        OverridesParser.create().parse_override(quoted)
    except HydraException:
        return f"{argument}: it cannot be parsed; see hydra.cc/docs/1.3/advanced/override_grammar/basic"
    return f"{argument}: it cannot be parsed; quotes help, as in {shlex.quote(quoted)}"


def _valid_keys(config_name: str, wrong: str, arguments: Sequence[str]) -> list[str]:
    rest = [a for a in arguments if not a.startswith(("-", "hydra.")) and a.lstrip("+~").split("=")[0] != wrong]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            config = hydra.compose(config_name, rest)
        except HydraException:
            config = hydra.compose(config_name)
    return list(flatten(OmegaConf.to_container(config)))


def _trainer_arguments() -> list[str]:
    from lightning.pytorch import Trainer  # seconds, so for a wrong key of it alone

    return [*inspect.signature(Trainer).parameters]


RESOLVERS: dict[str, Callable] = {
    "folder": _folder,
    "within": _within,
    "mode": lambda arms: "MULTIRUN" if arms else None,  # a study is a multirun without -m
    "sweep": _sweep,
    "repeat": lambda value, times: [value] * times,
    "run_name": lambda arm, swept: "_".join(filter(None, [arm, re.sub(r"(^|_)\++", r"\1", swept.replace("/", "-"))])),
}

for _name, _resolver in RESOLVERS.items():
    OmegaConf.register_new_resolver(f"dnnx.{_name}", _resolver, replace=True, use_cache=_name == "folder")


def flatten(config: object, prefix: str = "") -> dict[str, object]:
    """A nested mapping as `{"a.b": value}`, with an entry for each inner mapping too."""
    flat: dict[str, object] = {}
    for key, value in config.items() if isinstance(config, dict) else ():
        flat[prefix + str(key)] = value
        flat |= flatten(value, f"{prefix}{key}.")
    return flat
