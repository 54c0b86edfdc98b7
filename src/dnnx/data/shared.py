"""Data that is prepared once for the jobs of a study: a worker inherits it with the memory of its foreman."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

_KEPT: dict[str, dict[str, Any]] = {}  # by key: the attributes that `prepare` sets


def key_of(data: Any, config: Mapping[str, Any]) -> str:
    """Return the text that stands for a data config, without the keys that `prepare` does not read."""
    left_out = getattr(data, "of_seeds", ())
    return json.dumps({k: v for k, v in sorted(config.items()) if k not in left_out}, default=str)


def keep(data: Any, config: Mapping[str, Any]) -> str:
    """Prepare `data`, unless that is done, keep the result for others of this config, and return its key."""
    key, before = key_of(data, config), dict(vars(data))
    if key not in _KEPT:
        data.prepare()
        _KEPT[key] = {name: value for name, value in vars(data).items() if value is not before.get(name)}
    return key


def adopt(data: Any, config: Mapping[str, Any]) -> None:
    """Give `data` the result that is kept for its config, if there is one."""
    if _KEPT:
        vars(data).update(_KEPT.get(key_of(data, config), {}))


def drop_all_but(keys: Iterable[str]) -> None:
    """Forget all other results; workers that have started keep theirs."""
    for key in _KEPT.keys() - set(keys):
        del _KEPT[key]
