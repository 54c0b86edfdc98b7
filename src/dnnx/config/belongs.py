"""Options of a group that have a key which the chosen option lacks, such as data=table for `data.file`."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from omegaconf import OmegaConf

from dnnx.config.paths import CONF

MAX_NAMED = 4  # options in one message


def belongs(group: str, names: Sequence[str]) -> str:
    """Return which options of a group have the keys `names`, and how to choose one; "" if none has them.

    Options that need the first key typed, as those of `data.file`, are named before all others.

    >>> belongs("task", ["unit"])
    'task=regression has it: type that, or in a study file under defaults: - override /task: regression'
    """
    have = [option for option, keys in _options(group).items() if keys.keys() >= {*names}]
    have = [option for option in have if _options(group)[option][names[0]] == "???"] or have
    if not have:
        return ""
    if len(have) == 1:
        return f"{group}={have[0]} has it: type that, or in a study file under defaults: - override /{group}: {have[0]}"
    listed = ", ".join(have[:MAX_NAMED]) + (" and others" if len(have) > MAX_NAMED else "")
    return f"{group}={listed} have it: type one, or in a study file under defaults: - override /{group}: ..."


@cache
def _options(group: str) -> dict[str, dict[str, Any]]:
    """Return the keys of each option of a group of conf/; {} for a group that is not there."""
    found: dict[str, Any] = {
        path.stem: OmegaConf.to_container(OmegaConf.load(path)) for path in sorted((CONF / group).glob("*.yaml"))
    }
    return {name: keys for name, keys in found.items() if isinstance(keys, dict)}
