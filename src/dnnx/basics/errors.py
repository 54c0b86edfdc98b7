"""The one error that a user's mistake ends in, a single line without traceback, and the checks that raise it."""

import difflib
import inspect
import math
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin


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


def check_arguments(key: str, function: Callable, given: Mapping[str, Any]) -> None:
    """UserError when `given`, of the config group `key`, holds an argument that `function` does not take, or a value
    of another type than it says."""
    parameters = _parameters(function)
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        valid = [f"{key}.{name}" for name in parameters]
        for name in given:
            if f"{key}.{name}" not in valid:
                raise UserError(unknown_key(f"{key}.{name}", valid))
    for name in filter(parameters.__contains__, given):
        annotation = parameters[name].annotation
        require(fits(given[name], annotation), f"{key}.{name}", shown(given[name]), in_words(annotation))


def _parameters(function: Callable) -> dict[str, inspect.Parameter]:
    """Of a function or class, with annotations that are types; one that cannot be known is Any."""
    code = inspect.unwrap(vars(function).get("__init__", function) if isinstance(function, type) else function)
    known = {**vars(typing), **getattr(code, "__globals__", {})}  # torch imports some for type checkers alone

    def evaluated(annotation: Any) -> Any:
        try:
            return eval(annotation, known) if isinstance(annotation, str) else annotation
        except (NameError, TypeError):
            return Any

    parameters = inspect.signature(function).parameters.items()
    return {name: parameter.replace(annotation=evaluated(parameter.annotation)) for name, parameter in parameters}


def fits(value: Any, annotation: Any) -> bool:
    """Whether a plain value from a config is what an annotation names; one that is not understood takes anything."""
    kind, inner = get_origin(annotation) or annotation, get_args(annotation)
    if kind in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if kind is Literal:
        return value in inner
    if kind is float:
        return is_number(value) and math.isfinite(value)
    if kind is int:
        return type(value) is int
    if kind is tuple and inner and inner[-1] is not ...:
        return isinstance(value, list | tuple) and len(value) == len(inner) and all(map(fits, value, inner))
    if kind in (list, tuple, Sequence, Iterable):
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        return is_list and all(fits(one, inner[0]) for one in value if inner)
    if kind in (dict, Mapping):
        return isinstance(value, Mapping)
    known = isinstance(kind, type) and kind not in (Any, inspect.Parameter.empty)
    return isinstance(value, kind) if known else True


PLAIN = {bool: "true or false", str: "text", type(None): "null", int: "a whole number", float: "a number"}


def in_words(annotation: Any) -> str:
    """What fits an annotation, for a message."""
    kind, inner = get_origin(annotation) or annotation, get_args(annotation)
    if kind in (Union, UnionType):
        return " or ".join(dict.fromkeys(filter(None, map(in_words, inner))))
    if kind is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if kind in (list, tuple, Sequence, Iterable):
        each = [word.removeprefix("a ").replace("number", "numbers") for word in map(in_words, inner[:1])]
        return " of ".join(["a list", *filter(None, each)])
    return PLAIN.get(kind, "a mapping" if kind in (dict, Mapping) else "")


def shown(value: Any) -> str:
    """A value as it is typed on the command line."""
    return "null" if value is None else "''" if value == "" else str(value)


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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it says so: torch has a type of its own for GPUs alone."""
    told = ("not enough memory", "bad_alloc", "out of memory", "Storage size calculation overflowed")
    return isinstance(error, MemoryError) or any(text in str(error) for text in told)


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
