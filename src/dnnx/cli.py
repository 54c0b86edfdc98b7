"""What every Hydra command shares: where conf/ is, one-line errors, exit codes. Imports no torch."""

import atexit
import functools
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from yaml import YAMLError

from dnnx.errors import UserError, near_misses, require, unknown_key
from dnnx.files import read_json

FAILURES: list[str] = []  # what went wrong in this process; any makes the exit code 2
PACKAGE = Path(__file__).parent
# An installed wheel carries conf/ inside the package; a checkout has it at the top.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1] / "conf"


def command(config_name: str) -> Callable[[Callable[[DictConfig], object]], Callable[[], None]]:
    """Turns a function of a config into a Hydra command in which a user's mistake is one line and exit code 2."""

    def decorate(task: Callable[[DictConfig], object]) -> Callable[[], None]:
        @functools.wraps(task)
        def guarded(cfg: DictConfig) -> object:
            try:
                return task(cfg)
            except (UserError, OmegaConfBaseException) as error:  # the other jobs of a sweep go on
                fail(_explain(error, config_name, sys.argv[1:]))
                return None

        run = hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(guarded)

        def main() -> None:
            ended: list[int] = []  # with which exit code
            if getattr(sys.modules["__main__"].__spec__, "name", "").startswith("dnnx."):  # python -m dnnx.<command>
                atexit.register(_leave, ended)
            os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing, and we print
            try:
                sys.argv[1:] = sorted(sys.argv[1:], key=lambda argument: argument not in ("-m", "--multirun"))
                sys.argv[1:] = _name_jobs_by_swept_keys(_choose_groups(_retype_study(sys.argv[1:])))
                run()
            except (UserError, HydraException, OmegaConfBaseException, YAMLError) as error:
                fail(_explain(error, config_name, sys.argv[1:]))
            except OSError as error:
                if error.filename is None:
                    raise
                fail(f"{error.filename}: {error.strerror}")
            except KeyboardInterrupt as error:
                print(str(error) or "interrupted", file=sys.stderr)
                ended.append(130)
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


def run_folder() -> Path:
    """The folder of the current Hydra job."""
    return Path(HydraConfig.get().runtime.output_dir)


def study_folder() -> Path:
    """The folder that holds all jobs of a multirun; of a single run its own."""
    hydra_config = HydraConfig.get()
    return Path(hydra_config.sweep.dir if hydra_config.mode == RunMode.MULTIRUN else hydra_config.run.dir).absolute()


def _folder(new: str, resume: str | None) -> str:
    """Resolver `dnnx.folder`: the folder to resume, which must be there, or else a new one."""
    if resume is None:
        return new
    require(
        resume != "" and Path(resume).is_dir(),
        "resume",
        resume,
        "there is no such folder; try resume=outputs/dense5/latest",
    )
    return str(Path(resume).resolve())


def _retype_study(arguments: list[str]) -> list[str]:
    """`resume=<study folder>` alone stands for everything that was typed to start that study."""
    if len(arguments) != 1 or not arguments[0].startswith("resume="):
        return arguments
    path = Path(arguments[0].removeprefix("resume="), "study.json")
    if not path.is_file():
        return arguments
    study = read_json(path)
    own = [word for folder in study.get("config_dir", []) for word in ("--config-dir", folder)]
    return ["-m", *own, *study.get("overrides", []), *arguments]


def _parse(arguments: list[str]) -> dict[int, Override]:
    """The overrides among the arguments, by place."""
    places = [i for i, argument in enumerate(arguments) if not argument.startswith("-") and "=" in argument]
    try:
        overrides = OverridesParser.create().parse_overrides([arguments[i] for i in places])
    except HydraException:
        return {}  # Hydra will say what is wrong with it
    return dict(zip(places, overrides, strict=True))


def _choose_groups(arguments: list[str]) -> list[str]:
    """The arguments with true and false for lr_search replaced by what they mean; UserError for what names no option.

    Hydra would raise its own errors.
    """
    chosen: list[str | None] = [*arguments]
    for place, override in _parse(arguments).items():
        group, value = override.key_or_group, override.value()
        if override.is_delete() or not (CONF / group).is_dir():
            continue
        if group == "lr_search" and (value is None or isinstance(value, bool)):
            chosen[place] = "lr_search=grid" if value else None
            continue
        for option in value.list if isinstance(value, ChoiceSweep) else [value]:
            options = ", ".join(sorted(path.stem for path in (CONF / group).glob("*.yaml")))
            valid = option is not None and not isinstance(option, bool | int | float)
            require(valid, group, "null" if option is None else option, f"choose one of {options}")
    return [argument for argument in chosen if argument is not None]


def _name_jobs_by_swept_keys(arguments: list[str]) -> list[str]:
    """The arguments, and the override that keeps what all jobs of a sweep share out of their folders' names."""
    parsed = _parse(arguments)
    overrides = list(parsed.values())
    swept = {override.key_or_group for override in overrides if override.is_sweep_override()}
    keys = [override.key_or_group for override in overrides]
    for key in swept:  # Hydra would let the last one win, and jobs share a folder
        require(keys.count(key) == 1, key, "...", f"it is given {keys.count(key)} times, once as a sweep; type it once")
    fixed = ["arm", *(key for key in keys if key not in swept)]
    if not parsed:
        return arguments
    after = max(parsed) + 1
    names = f"hydra.job.config.override_dirname.exclude_keys=[{','.join(fixed)}]"
    return [*arguments[:after], names, *arguments[after:]]


def fail(message: str) -> None:
    """Says what is wrong; the command goes on with what it can and ends with exit code 2."""
    print(f"error: {message}", file=sys.stderr)
    FAILURES.append(message)


def _explain(error: Exception, config_name: str, arguments: Sequence[str]) -> str:
    """One line for what Hydra could not compose, with near misses for a misspelt key or option."""
    text = str(error)
    if isinstance(error, UserError):
        return text
    if match := re.match("UserError raised while resolving interpolation: (.*)", text):
        return match[1]
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} has no value; type {error.full_key}=..., for example run=outputs/dense5/latest"
    if match := re.search(r"Could not override '(exp|debug|sweep)'", text):
        return f"{match[1]}: it is added to the config: type +{match[1]}=..."
    if match := re.search(r"Could not override '([^']+)'", text):
        return unknown_key(match[1], _valid_keys(config_name, match[1], arguments))
    if match := re.search(r"Could not find '([^']+)'\s+Available options in '([^']+)':((?:\s+\S+$)+)", text, re.M):
        option, options = match[1].removeprefix(match[2] + "/"), match[3].split()
        return f"{match[2]}={option}: choose one of {', '.join(options)}{near_misses(option, options)}"
    return " ".join(text.split())


def _valid_keys(config_name: str, wrong: str, arguments: Sequence[str]) -> list[str]:
    rest = [a for a in arguments if not a.startswith(("-", "hydra.")) and a.lstrip("+~").split("=")[0] != wrong]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            config = hydra.compose(config_name, rest)
        except HydraException:
            config = hydra.compose(config_name)
    return list(flatten(OmegaConf.to_container(config)))


RESOLVERS: dict[str, Callable] = {
    "folder": _folder,
    "mode": lambda arms: "MULTIRUN" if arms else None,  # a study is a multirun without -m
    "sweep": lambda arms, axes: {"arm": ",".join(arms), **axes} if arms else {},
    "repeat": lambda value, times: [value] * times,
    "run_name": lambda arm, swept: "_".join(filter(None, [arm, swept.replace("/", "-")])),
}

for _name, _resolver in RESOLVERS.items():
    OmegaConf.register_new_resolver(f"dnnx.{_name}", _resolver, replace=True)


def flatten(config: object, prefix: str = "") -> dict[str, object]:
    """A nested mapping as `{"a.b": value}`, with an entry for each inner mapping too."""
    flat: dict[str, object] = {}
    for key, value in config.items() if isinstance(config, dict) else ():
        flat[prefix + str(key)] = value
        flat |= flatten(value, f"{prefix}{key}.")
    return flat
