"""The one error that a user's mistake ends in, a single line without traceback, and the checks that raise it."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class UserError(Exception):
    """One line: the key or file, the value found, what is valid, and what to type instead."""


def require(valid: bool, key: str, value: object, expected: str) -> None:
    """Raises UserError unless `valid`; `expected` says what is valid and how to override it."""
    if not valid:
        raise UserError(f"{key}={value}: {expected}")


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def choose(key: str, value: object, choices: Mapping[str, Any]) -> Any:
    """The entry of `choices` named `value`; UserError with the names there are when it is missing."""
    names = f"choose one of {', '.join(choices)}{near_misses(str(value), choices)}"
    require(isinstance(value, str) and value in choices, key, value, names)
    return choices[str(value)]


def check_arguments(key: str, function: Callable, given: Iterable[str]) -> None:
    """UserError when `given` names an argument of the config group `key` that `function` does not take."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    valid = [f"{key}.{parameter.name}" for parameter in parameters]
    for name in given:
        if f"{key}.{name}" not in valid:
            raise UserError(unknown_key(f"{key}.{name}", valid))


def unknown_key(key: str, valid: Iterable[str]) -> str:
    """The message for a key that nothing reads."""
    return f"{key}: there is no such key{near_misses(key, valid)}; see all keys with --cfg job"


def differences(there: Mapping[str, Any], here: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    """Those of `keys` that differ, with both values, for a message."""
    return [
        f"{key} ({there.get(key, 'absent')} there, {here.get(key, 'absent')} here)"
        for key in sorted(keys)
        if there.get(key) != here.get(key)
    ]


@contextmanager
def ctrl_c(says: str = "") -> Iterator[None]:
    """Around Lightning's fit, which makes a SystemExit of Ctrl-C: a KeyboardInterrupt that `says` how to go on."""
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt(says) from None


def near_misses(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""
