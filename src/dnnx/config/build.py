"""Build objects: from a config node to the object of its `_target_` and arguments. Imports no torch by itself."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.errors import (
    UserError,
    check_arguments,
    is_out_of_memory,
    missing_arguments,
    require,
    shown,
    takes,
    unknown_arguments,
)  # fmt: skip
from dnnx.basics.typed import HIDDEN, is_hidden
from dnnx.config.belongs import belongs
from dnnx.config.locate import locate
from dnnx.config.own_lines import NOT_THEIRS, described, lines_of, one_line

# The base class of each group: a node of the group must be an instance of one of these.
BASES: dict[str, tuple[str, ...]] = {
    "net": ("torch.nn.Module",),
    "data": ("lightning.pytorch.LightningDataModule", "torch.utils.data.Dataset"),
    "task": ("dnnx.tasks.task.Task",),
    "module": ("lightning.pytorch.LightningModule",),
    "techniques": ("dnnx.techniques.base.Technique",),
    "callbacks": ("lightning.pytorch.Callback",),
    "logger": ("lightning.pytorch.loggers.Logger",),
    "trainer": ("lightning.pytorch.Trainer",),
    "optimizer": ("torch.optim.Optimizer",),
    "scheduler": ("torch.optim.lr_scheduler.LRScheduler", "dnnx.optim.schedules.Performance"),
    "sampler": ("optuna.samplers.BaseSampler",),
    "pruner": ("optuna.pruners.BasePruner",),
}
FUNCTIONS = ("net", "scheduler", "metrics")  # groups that also accept a function that returns such an object
OF_HYDRA = ("_target_", "_partial_", "_recursive_", "_convert_")  # keys of Hydra, which are no arguments


def build(key: str, config: Any, base: Any = None, factory: bool = False, **known: Any) -> Any:
    """Return the object that the config node at `key` describes, or with `factory` a function that builds it.

    The object must be an instance of `base`, by default the group's class in BASES. The constructor gets those of the
    values `known` (in_shape, num_outputs, seeds, ...) that it has arguments for. Raise UserError for a wrong target,
    argument or value, and for any error of the constructor.

    Example: `build("net", OmegaConf.create({"_target_": "my_nets.SmallConv", "width": 64}), in_shape=(1, 28, 28))`
    """
    function = find(key, config, base)
    plain: Any = OmegaConf.to_container(config, resolve=True) if OmegaConf.is_config(config) else dict(config)
    is_partial = plain.get("_partial_", factory)
    require(is_partial is factory, f"{key}._partial_", is_partial, f"leave it as it is in conf/{key.split('.')[0]}/")
    given = {name: _nested(f"{key}.{name}", value) for name, value in plain.items() if name not in OF_HYDRA}
    told = {name: value for name, value in known.items() if takes(function, name)}
    for name in told.keys() & given.keys():
        raise UserError(f"{key}.{name}={shown(given[name])}: it is set by the run itself; leave it out")
    for name in (name for name, value in given.items() if value == "???"):
        raise UserError(f"{key}.{name}: it has no default; type {key}.{name}=...")
    for name in (name for name, value in given.items() if is_hidden(value)):
        advice = "it is a secret, which the run folder does not keep; let the class read it from the environment"
        raise UserError(f"{key}.{name}={HIDDEN}: {advice}")
    unknown = unknown_arguments(function, given)
    is_ours = str(getattr(function, "__module__", "")).startswith(("dnnx.", "torch."))
    if unknown and is_ours and (where := belongs(key, unknown)):
        raise UserError(f"{key}.{unknown[0]}: there is no such key; {where}")
    check_arguments(key, function, given)
    if factory:
        return partial(function, **given, **told)
    for name in missing_arguments(function, given.keys() | told.keys()):
        hint = "" if takes(function, "in_shape") or key != "net" else "; in_shape and num_outputs need not be typed"
        raise UserError(f"{key}.{name}: {plain['_target_']} needs it; type {key}.{name}=...{hint}")
    with naming(key, function):
        made = function(**given, **told)
    check_made(key, made, function, base)
    return made


def find(key: str, config: Any, base: Any = None) -> Any:
    """Return the class or function that the config node at `key` names. Raise UserError if its group needs another
    kind.
    """
    target = config.get("_target_") if isinstance(config, Mapping | DictConfig) else None
    function = locate(f"{key}._target_", target)
    bases, kinds = bases_of(key, base)
    wanted = f"a class is needed{f', a subclass of {kinds}' if kinds else ''}"
    if isinstance(function, ModuleType):
        own = ((n, v) for n, v in vars(function).items() if getattr(v, "__module__", "") == function.__name__)
        names = [name for name, value in own if _is_a(value, bases)]
        raise UserError(f"{key}._target_={target}: it is a module; {wanted}{_such_as(str(target), names)}")
    if isinstance(function, type):
        fits = not bases or _is_a(function, bases)
        require(fits, f"{key}._target_", target, f"it is no {kinds}{_other_lightning(function)}")
        lacks = ", ".join(sorted(getattr(function, "__abstractmethods__", ())))
        require(not inspect.isabstract(function), f"{key}._target_", target, f"it is abstract: it lacks {lacks}")
    else:
        makes = callable(function) and (key.split(".")[0] in FUNCTIONS or base == ())
        require(makes, f"{key}._target_", target, f"it is {_kind_of(function)}; {wanted}")
    return function


def bases_of(key: str, base: Any = None) -> tuple[tuple[type, ...], str]:
    """Return the valid classes of the node at `key`, () for any, and their names.

    `base`, a class or a tuple of classes, replaces those of the group.
    """
    if base is None:
        paths = BASES.get(key.split(".")[0], ())
        return tuple(locate("base", path) for path in paths), " or ".join(paths)
    bases = base if isinstance(base, tuple) else (base,)
    return bases, " or ".join(f"{one.__module__}.{one.__qualname__}" for one in bases)


def check_made(key: str, made: Any, function: Any, base: Any = None) -> None:
    """Raise UserError if a function returned an object of another kind than the group needs."""
    bases, kinds = bases_of(key, base)
    if bases and not isinstance(function, type) and not isinstance(made, bases):
        path = f"{function.__module__}.{function.__qualname__}"
        raise UserError(f"{key}._target_={path}: it returned {_kind_of(made)}, no {kinds}")


@contextmanager
def naming(key: str, function: Any = None) -> Iterator[None]:
    """Turn the errors of a constructor into a UserError that names the config group.

    Every error of a user's class is shown with its lines. Among errors of dnnx's own classes, those about values are
    the user's mistake, and those of files are explained later. Any other is a bug and keeps its traceback.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        module = str(getattr(function, "__module__", "dnnx"))
        is_theirs = module.split(".")[0] not in NOT_THEIRS
        if is_out_of_memory(error) or (isinstance(error, OSError) and not is_theirs):
            raise
        if is_theirs:
            is_of_value = isinstance(error, ValueError)
            told = one_line(error) + lines_of(error, module) if is_of_value else described(error, module)
            raise UserError(f"{key}: {told}") from None
        misconfigured = type(error).__name__ == "MisconfigurationException"
        if isinstance(error, TypeError | ValueError | RuntimeError) or misconfigured:
            raise UserError(f"{key}: {one_line(error)}") from None
        raise


def _nested(key: str, value: Any) -> Any:
    """Return a value of a config, with every mapping that has a `_target_` replaced by its object."""
    if isinstance(value, list):
        return [_nested(f"{key}.{i}", one) for i, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if "_target_" in value:
        return build(key, value, (), factory=value.get("_partial_") is True)
    return {name: _nested(f"{key}.{name}", one) for name, one in value.items()}


def _is_a(value: Any, bases: Any) -> bool:
    return isinstance(value, type) and (not bases or issubclass(value, bases))


def _kind_of(value: Any) -> str:
    if value is None:
        return "None"
    return "a function" if callable(value) else f"of type {type(value).__name__}"


def _such_as(module: str, names: list[str]) -> str:
    return f", such as {module}.{names[0]}" if names else ""


def _other_lightning(function: type) -> str:
    """Return a hint for classes of the package pytorch_lightning, which differ from those of lightning.pytorch."""
    other = any(cls.__module__.startswith("pytorch_lightning") for cls in function.__mro__)
    return "; import lightning.pytorch instead of pytorch_lightning" if other else ""
