"""Explain each error of Hydra, OmegaConf and the disk in one line, with near misses for a misspelt key or option."""

import inspect
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from dnnx.basics.errors import UserError, near_misses, pip_install, unknown_key
from dnnx.config.belongs import belongs
from dnnx.config.compose import compose
from dnnx.config.overrides import split
from dnnx.config.paths import experiment
from dnnx.runs.legacy import CLASSES, TECHNIQUES

ARMS = "a mapping of arms to lists of overrides, such as 'study.arms={plain: [], bn: [net.norm=batch]}'"
EXAMPLES = {"run": "run=outputs/dense5/latest", "weights": "weights=model.npz net.hidden=[100,100]"}


def explain(error: Exception, config_name: str, arguments: Sequence[str]) -> str:
    """Return one line for an error that a user's mistake caused."""
    text = str(error)
    if isinstance(error, UserError):
        return text
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        return explain_os(error)
    if isinstance(error, OverrideParseException):
        return _explain_unparsed(error.override)
    if isinstance(error, MissingMandatoryValue):
        example = EXAMPLES.get(str(error.full_key))
        return (
            f"{error.full_key} has no value; type {error.full_key}=...{f', for example {example}' if example else ''}"
        )
    if match := re.search(r"Could not override '(exp|debug|sweep)'", text):
        return f"{match[1]}: it is not in the config; to add it, type +{match[1]}=..."
    if match := re.search(r"Could not override '([^']+)'", text):
        return _explain_key(match[1], text, config_name, arguments)
    if match := re.match(r"Error merging override (study\.arms=.*)", text):
        return f"{match[1]}: {ARMS}"
    if match := re.match(r"Error merging override (.*)", text):
        return f"{match[1]}: type a mapping for a mapping and a value for a value; see all keys with --cfg job"
    if match := re.search(r"'hydra/launcher/(joblib|submitit_\w+)'", text):
        return f"hydra/launcher={match[1]} is not installed; type {pip_install('launchers')}"
    if match := re.search(r"Could not find '([^']+)'\s+Available options in '([^']+)':((?:\s+\S+$)+)", text, re.M):
        option, options = match[1].removeprefix(match[2] + "/"), match[3].split()
        if match[2] == "exp" and (own := _own_experiment(option)) is not None:
            return f"exp={option}: {own} is a file of yours; type --config-dir {own.parts[0]} before +exp={option}"
        if match[2] == "exp":
            return _unknown_experiment(option, options, config_name)
        return f"{match[2]}={option}: choose one of {', '.join(options)}{near_misses(option, options)}"
    return " ".join(text.split())


def _unknown_experiment(option: str, options: Sequence[str], config_name: str) -> str:
    """Return one line for an experiment that is not there: near misses first, then where all of them stand."""
    own = [name for name in options if experiment(name) is None]
    yours = f"; yours are {', '.join(own)}" if own else "; a file exp/... of yours needs --config-dir FOLDER"
    near = near_misses(option, options)
    listed = f"dnnx {config_name} --help lists all {len(options) - len(own)} of dnnx by field"
    return f"exp={option}: there is no such experiment{near}{yours}; {listed}"


def _own_experiment(option: str) -> Path | None:
    """Return the file <folder>/exp/<option>.yaml in the current folder, or None if there is none."""
    with suppress(OSError):
        places = sorted(Path.cwd().glob("*/exp"))
        found = (path for path in (place / f"{option}.yaml" for place in places) if path.is_file())
        return next((path.relative_to(Path.cwd()) for path in found), None)
    return None


@contextmanager
def in_one_line(config_name: str, words: Sequence[str]) -> Iterator[None]:
    """Turn an error of Hydra or OmegaConf about these words into a UserError, for users of Python."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, config_name, words)) from None


def explain_os(error: OSError) -> str:
    """Return the name of the file and the fault of the file or its disk."""
    return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)


def _explain_key(key: str, text: str, config_name: str, arguments: Sequence[str]) -> str:
    if key.startswith("trainer.") and key.removeprefix("trainer.") in _trainer_arguments():
        return f"{key}: it is not in conf/trainer; type +{key}=... to add it for Lightning's Trainer"
    if told := _explain_technique(key):
        return told
    inner = re.search(r"full_key: (\S+)", text)  # a mapping was typed
    group, _, name = key.partition(".")
    if told := belongs(group, [name]):
        return f"{key}: there is no such key; {told}"
    return unknown_key(inner[1] if inner else key, _valid_keys(config_name, key, arguments))


def _explain_technique(key: str) -> str:
    """Return how to type a technique's key that has an older name or whose technique is not added; else ""."""
    group, _, name = key.partition(".")
    path = TECHNIQUES.get(name, "") if group == "module" else name if group == "techniques" else ""
    technique = path.split(".")[0]
    if technique not in CLASSES:
        return ""
    if path == "pretrained.backbone":
        return f"{key}: type +technique=pretrained backbone=..."
    return f"{key}: type +technique={technique} techniques.{path}=..."


def _explain_unparsed(argument: str) -> str:
    """Return one line for an argument that Hydra's grammar refuses, with quotes if they help."""
    key, equals, value = argument.partition("=")
    if not equals:
        return f"{argument}: missing EQUAL sign; type {argument}=..."
    quotes = f'{key}="{value}"'
    try:
        OverridesParser.create().parse_override(quotes)
    except HydraException:
        return f"{argument}: it cannot be parsed; see hydra.cc/docs/1.3/advanced/override_grammar/basic"
    return f"{argument}: it cannot be parsed; quotes help, as in {shlex.quote(quotes)}"


def _valid_keys(config_name: str, wrong: str, arguments: Sequence[str]) -> list[str]:
    typed = split(arguments).overrides
    rest = [a for a in typed if not a.startswith("hydra.") and a.lstrip("+~").split("=")[0] != wrong]
    try:
        config = compose(config_name, rest, [])
    except (HydraException, UserError):
        config = compose(config_name, [], [])
    return list(flatten(OmegaConf.to_container(config)))


def _trainer_arguments() -> list[str]:
    from lightning.pytorch import Trainer  # takes seconds, so it is imported only for a wrong key of the trainer

    return [*inspect.signature(Trainer).parameters]


def flatten(config: object, prefix: str = "") -> dict[str, object]:
    """Return a nested mapping as `{"a.b": value}`, with an entry for each inner mapping too."""
    flat: dict[str, object] = {}
    for key, value in config.items() if isinstance(config, dict) else ():
        flat[prefix + str(key)] = value
        flat |= flatten(value, f"{prefix}{key}.")
    return flat
