"""UserError, the one-line error of a user's mistake, and the checks that raise it."""

import difflib
import inspect
import math
import os
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin


class UserError(Exception):
    """A user's mistake in one line: the key or file, its value, what is valid, and what to type."""


def require(valid: bool, key: str, value: object, expected: str) -> None:
    """Raise UserError unless `valid`. `expected` says what is valid, with an example to type."""
    if not valid:
        raise UserError(f"{key}={value}: {expected}")


def require_installed(package: str, key: str, extra: str = "") -> None:
    """Raise UserError unless an optional package is installed; `extra` of dnnx brings it, "" stands for none."""
    if find_spec(package) is None:
        raise UserError(f"{key}: {package} is not installed; type {pip_install(extra) if extra else _pip(package)}")


def pip_install(extra: str) -> str:
    """Return the command that installs an extra of dnnx: into a checkout, or for an installed wheel."""
    checkout = Path(__file__).parents[3]
    is_checkout = (checkout / "pyproject.toml").is_file()
    return _pip(f"-e '{os.path.relpath(checkout)}[{extra}]'" if is_checkout else f"'dnnx[{extra}]'")


def _pip(words: str) -> str:
    return f"python -m pip install {words}"


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def message_of(error: BaseException, most: int | None = None) -> str:
    """Return the message of an error in one line of at most so many letters."""
    return " ".join(str(error).split())[:most]


MAX_LAYERS = 1000  # more would build for hours, until the memory is full


def require_layers(key: str, number: object) -> None:
    """Raise UserError unless `number` is a count of layers that a network can have."""
    valid = type(number) is int and 1 <= number <= MAX_LAYERS
    require(valid, key, number, f"a whole number from 1 to {MAX_LAYERS}")


def choose(key: str, value: object, choices: Mapping[str, Any]) -> Any:
    """Return the entry of `choices` named `value`. Raise UserError with the valid names if there is none."""
    names = f"choose one of {', '.join(choices)}{near_misses(str(value), choices)}"
    require(isinstance(value, str) and value in choices, key, value, names)
    return choices[str(value)]


def check_arguments(key: str, function: Callable, given: Mapping[str, Any]) -> None:
    """Raise UserError if `function` lacks an argument in `given`, or if a value has the wrong type.

    `key` is the config node of the arguments. An annotation that is no plain type accepts any value.
    """
    parameters = parameters_of(function)
    for name in unknown_arguments(function, given):
        near = near_misses(name, _by_name(parameters), f"{key}.")
        raise UserError(f"{key}.{name}: there is no such key{near}; see all keys with --cfg job")
    for name in filter(parameters.__contains__, given):
        expected = in_words(parameters[name].annotation)
        valid_type = not expected or fits(given[name], parameters[name].annotation)
        require(valid_type, f"{key}.{name}", shown(given[name]), expected)


BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def unknown_arguments(function: Callable, given: Iterable[str]) -> list[str]:
    """Return the names in `given` that are no arguments of `function`, in their order."""
    parameters = parameters_of(function)
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    return [] if takes_all else [name for name in given if name not in _by_name(parameters)]


def _by_name(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    return [name for name, parameter in parameters.items() if parameter.kind in BY_NAME]


def missing_arguments(function: Callable, given: Collection[str]) -> list[str]:
    """Return the required arguments of `function` that are missing in `given`."""
    return [
        name
        for name, parameter in parameters_of(function).items()
        if parameter.kind in BY_NAME and parameter.default is parameter.empty and name not in given
    ]


def takes(function: Any, name: str) -> bool:
    """Return whether a function or class has an argument `name`, its own or through `**kwargs`.

    `**kwargs` of a class are looked up in the constructors of its base classes. Those of a function accept nothing.
    """
    for level in function.__mro__ if isinstance(function, type) else [function]:
        own = vars(level).get("__init__") if isinstance(function, type) else level
        if own is None or own is object.__init__:
            continue
        parameters = _signature(own)
        if name in parameters and parameters[name].kind in BY_NAME:
            return True
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return False
    return False


def parameters_of(function: Callable) -> dict[str, inspect.Parameter]:
    """Return the parameters of a function or class with evaluated annotations; an unknown annotation is Any."""
    code = inspect.unwrap(vars(function).get("__init__", function) if isinstance(function, type) else function)
    known = {**vars(typing), **getattr(code, "__globals__", {})}  # torch imports some only for type checkers

    def evaluated(annotation: Any) -> Any:
        try:
            return eval(annotation, known) if isinstance(annotation, str) else annotation
        except Exception:
            return Any

    parameters = _signature(function).items()
    return {name: parameter.replace(annotation=evaluated(parameter.annotation)) for name, parameter in parameters}


def _signature(function: Callable) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # a class written in C without a signature accepts anything
        return {"kwargs": inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)}


def fits(value: Any, annotation: Any) -> bool:
    """Return whether a plain config value fits an annotation. An annotation that is not understood fits every value."""
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
    """Return the valid values of an annotation in words, for a message."""
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
    """Return a value as it is typed on the command line."""
    return "null" if value is None else "''" if value == "" else str(value)


def unknown_key(key: str, valid: Iterable[str]) -> str:
    """Return the message for a key that nothing reads."""
    return f"{key}: there is no such key{near_misses(key, valid)}; see all keys with --cfg job"


def differences(there: Mapping[str, Any], here: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    """Return those of `keys` that differ, with both values, for a message."""
    return [
        f"{key} ({there.get(key, 'absent')} there, {here.get(key, 'absent')} here)"
        for key in sorted(keys)
        if there.get(key) != here.get(key)
    ]


OF_MEMORY = (
    "not enough memory", "can't allocate memory", "bad_alloc", "out of memory", "STATUS_ALLOC_FAILED",
    "Storage size calculation overflowed",
)  # fmt: skip


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory ran out; torch has an own type for GPUs only."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in OF_MEMORY)


def near_misses(name: str, names: Iterable[str], prefix: str = "") -> str:
    """Return "; did you mean a or b?" for the closest of `names`, each behind `prefix`; "" if none is close."""
    typed = [one for one in names if "._" not in f".{one}" or "._" in f".{name}"]  # _target_ is no slip of lr
    alike = [one for one in typed if one.casefold() == name.casefold()]
    near = alike or difflib.get_close_matches(name, typed, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(prefix + one for one in near)}?" if near else ""
