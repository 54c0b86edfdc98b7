"""Overrides for a class of the user's, rewritten for Hydra: `net._target_=my_nets.SmallConv net.width=64`.

Hydra merges into the chosen option, here net=dense5, but a net of another class has other keys. So the option becomes
empty (`net=[]`), keys from experiments are deleted (`~net.norm`), and typed keys are added (`++net.width=64`). The
constructor's signature decides later which keys are valid.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dnnx.config.locate import add_code_folders, open_packages
from dnnx.config.paths import CONF
from dnnx.config.trust import is_resumed, known_targets, targets, typed_packages

# Groups whose option is one node with a `_target_`. The trainer keeps its keys, as every trainer needs them.
NODES = ("data", "net", "task", "module", "baseline", "optimizer", "scheduler", "sampler", "pruner")
Parsed = dict[int, Override]


def own_targets(arguments: Sequence[str], name: str, folders: Iterable[str] = ()) -> list[str]:
    """Return the arguments of a command, rewritten if a `_target_` in them or in `folders` is the user's own.

    `name` is the command's config, `folders` are those of --config-dir. Rewriting twice changes nothing.
    """
    chosen = [*arguments]
    places = config_dirs(arguments)
    own_folders = [*folders, *places]
    _open([*(Path(folder).absolute().parent for folder in own_folders), *map(Path, own_folders)], arguments)
    parsed = _parse(chosen)
    for place in _undone(parsed):
        chosen[place] = ""
        del parsed[place]
    typed = _typed_nodes(parsed)
    if not typed and not own_folders:
        return [argument for argument in chosen if argument]
    choices = [text for text in map(_as_choice, parsed.values(), [own_folders] * len(parsed)) if text]
    groups = [group for group in NODES if group in groups_of(name)]
    whole = _composed(name, choices, own_folders)
    bare = _composed(name, [c for c in choices if c.partition("=")[0] not in groups], own_folders, groups)
    in_files = {node for node in _own_nodes(whole) if node not in typed}
    emptied = {g for g in groups if g in typed or g in set(_own_nodes(bare))}
    return _retyped(chosen, parsed, typed, in_files, emptied, bare)


def _open(folders: Sequence[Path], arguments: Sequence[str]) -> None:
    """Make the user's modules in these folders importable.

    If a study is resumed, its study.json names the folders: then only the packages that were typed are found there.
    Anything else would be imported by whatever library tries an optional import, or by Hydra's search for plugins.
    """
    if is_resumed(arguments):
        open_packages(folders, typed_packages(arguments))
    else:
        add_code_folders(folders)


def config_dirs(arguments: Sequence[str]) -> list[str]:
    """Return the folders of --config-dir on a command line."""
    found = [a.partition("=")[2] for a in arguments if a.startswith("--config-dir=")]
    return found + [b for a, b in pairwise(arguments) if a in ("--config-dir", "-cd")]


def _retyped(
    arguments: list[str], parsed: Parsed, typed: set[str], in_files: set[str], emptied: set[str], bare: Any
) -> list[str]:
    """Return the arguments with the overrides of the user's own nodes at the position of the first of them."""
    own: list[str] = []
    keys = {node: set[str]() for node in typed}
    for place, override in parsed.items():
        key = override.key_or_group
        node = next((n for n in [*typed, *in_files] if key.startswith(f"{n}.")), None)
        if node is None and key not in emptied:
            continue
        arguments[place] = ""
        if node is not None and not override.is_delete():
            own.append(f"++{key}={(override.input_line or '').partition('=')[2]}")
            keys.get(node, set()).add(key.removeprefix(f"{node}.").partition(".")[0])
    there = {node: OmegaConf.select(bare, node) for node in typed} if bare is not None else {}
    gone = [
        f"~{node}.{name}"
        for node, found in there.items()
        for name in (found if OmegaConf.is_dict(found) else ())
        if name not in keys[node]
    ]
    words = [f"{group}=[]" for group in sorted(emptied)] + gone + own
    left = [argument for argument in arguments if argument]
    first = next((i for i, argument in enumerate(arguments) if not argument), len(arguments))
    before = len([argument for argument in arguments[:first] if argument])
    return [*left[:before], *words, *left[before:]]


def _parse(arguments: Sequence[str]) -> Parsed:
    """Return the overrides among the arguments by index."""
    places = [i for i, a in enumerate(arguments) if not a.startswith("-") and ("=" in a or a.startswith("~"))]
    try:
        overrides = OverridesParser.create().parse_overrides([arguments[i] for i in places])
    except HydraException:
        return {}  # Hydra reports the error later
    return dict(zip(places, overrides, strict=True))


def _undone(parsed: Parsed) -> list[int]:
    """Return the indices of a group's overrides that come before a choice of its option, if they name a class.

    An arm's `net=dense20` comes after a typed `net._target_=my_nets.SmallConv`, and wins.
    """
    undone: list[int] = []
    for place, override in parsed.items():
        if override.key_or_group not in NODES or override.is_delete() or override.value() == []:
            continue
        group = override.key_or_group
        before = [i for i, o in parsed.items() if i < place and f"{o.key_or_group}.".startswith(f"{group}.")]
        if any(parsed[i].key_or_group == f"{group}._target_" for i in before):
            undone += before
    return undone


def _typed_nodes(parsed: Parsed) -> set[str]:
    """Return the nodes with a typed `_target_` that is not in conf/."""
    own: set[str] = set()
    for override in parsed.values():
        key = override.key_or_group
        if key.endswith("._target_") and not override.is_delete() and not key.startswith(("trainer.", "hydra.")):
            node, value = key.removesuffix("._target_"), override.value()
            values = value.list if isinstance(value, ChoiceSweep) else [value]
            own = own - {node} if all(str(v) in known_targets() for v in values) else own | {node}
    return own


def _as_choice(override: Override, folders: list[str]) -> str | None:
    """Return an override that chooses an option of a group, for a sweep its first option; else None."""
    key, value = override.key_or_group, override.value()
    is_group = any(Path(folder, key).is_dir() for folder in [str(CONF), *folders])
    if override.is_delete() or not is_group:
        return None
    option = value.list[0] if isinstance(value, ChoiceSweep) else value
    plus = "+" if override.is_add() else ""
    return None if option == [] else f"{plus}{key}={option}"


def _composed(name: str, choices: list[str], folders: Sequence[str], emptied: Iterable[str] = ()) -> Any:
    """Return the config of the choices alone, with some groups left empty; None if Hydra cannot compose it."""
    paths = ",".join(f"file://{Path(folder).absolute()}" for folder in folders)
    words = [*choices, *(f"{group}=[]" for group in emptied), f"hydra.searchpath=[{paths}]"]
    kept = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            return hydra.compose(name, words)
    except (HydraException, OmegaConfBaseException, ValueError, OSError):
        return None  # the full composition fails too, and reports the reason
    finally:
        GlobalHydra.instance().hydra = kept


def _own_nodes(config: Any) -> list[str]:
    """Return the nodes of a config with a `_target_` that is not in conf/."""
    return [
        key.removesuffix("._target_")
        for key, target in targets(config).items()
        if key.endswith("._target_") and target not in known_targets() and not key.startswith(("trainer.", "hydra."))
    ]


def groups_of(name: str) -> list[str]:
    """Return the groups in the defaults of conf/<name>.yaml and of the config that it extends."""
    defaults: Any = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml")).get("defaults", [])  # type: ignore
    named = [group for one in defaults if isinstance(one, dict) for group in one]
    return named + [g for one in defaults if isinstance(one, str) and one != "_self_" for g in groups_of(one)]
