"""Explain each error of Hydra, OmegaConf and the disk in one line, with near misses for a misspelt key or option."""

import inspect
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from dnnx.basics.errors import UserError, near_misses, pip_install, takes, unknown_key
from dnnx.config.belongs import belongs
from dnnx.config.compose import compose
from dnnx.config.locate import locate
from dnnx.config.overrides import key_of, split
from dnnx.config.paths import experiment
from dnnx.runs.legacy import CLASSES, TECHNIQUES

ARMS = """a mapping of arms to lists of overrides, such as 'study.arms={plain: [], bn: ["net.norm=batch"]}'"""
QUOTES = "'\""
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
        return _explain_key(match[1], config_name, arguments)
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


def _explain_key(key: str, config_name: str, arguments: Sequence[str]) -> str:
    if told := _explain_technique(key):
        return told
    group, _, name = key.partition(".")
    config = _composed_without(key, config_name, arguments)
    if told := _explain_argument(config.get(group), name):
        return f"{key}: it is not in conf/{group}; type +{key}=... {told}"
    if told := belongs(group, [name]):
        return f"{key}: there is no such key; {told}"
    known = flatten(config)
    return _explain_mapping(key, known[key]) if key in known else unknown_key(key, known)


def _explain_mapping(key: str, value: Any) -> str:
    """Return how to type keys of a mapping that takes none of those that were typed as one value."""
    if isinstance(value, dict) and value:
        return f"{key}: its keys are {', '.join(map(str, value))}; type each as {key}.{next(iter(value))}=..."
    return f"{key}: type +{key}=... to add keys to it"


def _explain_argument(node: Any, name: str) -> str:
    """Return for what to add a key that the class of a config node takes, though its file leaves it out; else "".

    The first argument of a class, such as the parameters of an optimizer, is given by the run.
    """
    target = node.get("_target_", "") if isinstance(node, dict) else ""
    with suppress(UserError, ValueError):
        made = locate("_target_", target)
        if takes(made, name) and name != next(iter(inspect.signature(made).parameters), None):
            return f"to add it for {target.rpartition('.')[2]}"
    return ""


def _explain_technique(key: str) -> str:
    """Return how to type a technique's key that has an older name or whose technique is not added; else ""."""
    if key == "techniques":
        return f"{key}: type +technique=NAME and techniques.NAME.KEY=...; +technique=? lists the names"
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
    for quotes in (f"{key}={quoted_items(value)}", f'{key}="{value}"'):
        with suppress(HydraException):
            OverridesParser.create().parse_override(quotes)
            return f"{argument}: it cannot be parsed; quotes help, as in {shlex.quote(quotes)}"
    return f"{argument}: it cannot be parsed; see hydra.cc/docs/1.3/advanced/override_grammar/basic"


def quoted_items(value: str) -> str:
    """Return a value with quotes around each override or claim in its lists, as the grammar of Hydra needs them.

    >>> quoted_items("[net._target_=my_net.Conv,net.hidden=[10,10]]")
    '["net._target_=my_net.Conv","net.hidden=[10,10]"]'
    >>> quoted_items("{plain: [], bn: [net.norm=batch]}")
    '{plain: [],bn: ["net.norm=batch"]}'
    >>> quoted_items("{test/accuracy: bn > plain}")
    '{test/accuracy: "bn > plain"}'
    """
    if value[:1] + value[-1:] == "[]":
        return f"[{','.join(map(quoted_items, _items(value[1:-1])))}]"
    if value[:1] + value[-1:] == "{}":
        pairs = [item.partition(":") for item in _items(value[1:-1])]
        return f"{{{','.join(f'{key}: {quoted_items(own.strip())}' for key, _, own in pairs)}}}"
    return f'"{value}"' if re.search("[=<>]", value) and value[0] not in QUOTES else value


def _items(text: str) -> list[str]:
    """Return the items of a list: the text between commas that are in no brackets and no quotes."""
    items, depth, quote = [""], 0, ""
    for mark in text:
        if quote:
            quote = "" if mark == quote else quote
        elif mark in QUOTES:
            quote = mark
        else:
            depth += (mark in "[{(") - (mark in "]})")
        if mark == "," and not depth and not quote:
            items.append("")
        else:
            items[-1] += mark
    return [item.strip() for item in items if item.strip()]


def _composed_without(wrong: str, config_name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Return the config without the words that type a wrong key.

    Where another word is wrong too, only those are in it that choose the experiment and the option of the key's group.
    """
    typed = [word for word in split(arguments).overrides if not word.startswith("hydra.")]
    words = {word: key_of(word) for word in typed}
    rest = [word for word, key in words.items() if key != wrong]
    choices = [word for word in rest if words[word] in ("exp", wrong.partition(".")[0])]
    for kept in (rest, choices):
        with suppress(HydraException, UserError):
            return _plain(config_name, kept)
    return _plain(config_name, [])


def _plain(config_name: str, words: Sequence[str]) -> dict[str, Any]:
    config: Any = OmegaConf.to_container(compose(config_name, words, []))
    return config


def flatten(config: object, prefix: str = "") -> dict[str, object]:
    """Return a nested mapping as `{"a.b": value}`, with an entry for each inner mapping too."""
    flat: dict[str, object] = {}
    for key, value in config.items() if isinstance(config, dict) else ():
        flat[prefix + str(key)] = value
        flat |= flatten(value, f"{prefix}{key}.")
    return flat
