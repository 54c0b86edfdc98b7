"""The search space: a sweep in Hydra's override grammar as Optuna's distributions, and its points as settings."""

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from dnnx.basics.errors import UserError, message_of, require
from dnnx.config.paths import CONF

GRAMMAR = "choice(elu,relu), range(3,7), interval(0,0.5), int(interval(50,200)), tag(log,interval(1e-4,1e-2))"
MAX_POINTS = 100_000  # of a space whose points are listed
Params = dict[str, Any]  # a point of the space; a choice is the text from the sweep


class Space:
    """Distributions by key, and the settings of a run at a point: its own keys and the derived ones.

    A key that no run has, such as `width`, serves the keys in `derived`.
    """

    def __init__(self, space: Mapping[str, Any], derived: Mapping[str, Any]):
        require(bool(space), "space", dict(space), "there is nothing to tune; type +sweep=dense5")
        self.distributions = {str(key): _distribution(str(key), str(text)) for key, text in space.items()}
        self.derived = dict(derived)
        known = OmegaConf.to_container(OmegaConf.load(CONF / "train.yaml"))
        assert isinstance(known, dict)
        groups = [name for default in known["defaults"] if isinstance(default, dict) for name in default]
        self.variables = [key for key in self.distributions if "." not in key and key not in groups]
        for name in self.variables:
            used = any("${%s}" % name in str(value) for value in self.derived.values())  # noqa: UP031
            require(used, f"space.{name}", space[name], "no key of a run, and nothing in derived uses ${%s}" % name)  # noqa: UP031

    def settings(self, params: Params) -> dict[str, Any]:
        """Return the settings of a run at a point, by key."""
        values = {key: _value(value) for key, value in params.items()}
        try:
            resolved = OmegaConf.to_container(OmegaConf.create({**values, **self.derived}), resolve=True)
        except OmegaConfBaseException as error:
            raise UserError(f"derived: {message_of(error)}") from None
        assert isinstance(resolved, dict)
        return {str(key): value for key, value in resolved.items() if key not in self.variables}

    def require_point(self, params: Params, trial: int) -> None:
        """Raise UserError unless a stored trial is a point of the space: a journal may come from somebody else."""
        for key in {**params, **self.distributions}:
            distribution = self.distributions.get(key)
            inside = distribution is not None and key in params and _has(distribution, params[key])
            require(inside, key, params.get(key), f"trial {trial} of the storage is no point of the space")

    def corners(self) -> list[Params]:
        """Return a few points that together contain every choice and both ends of every interval."""
        choices = [d.choices for d in self.distributions.values() if isinstance(d, CategoricalDistribution)]
        num = max(2, *map(len, choices), 2)
        return [{key: _corner(d, i) for key, d in self.distributions.items()} for i in range(num)]

    def size(self) -> float:
        """Return the number of points; infinite if an interval of floats is among the keys."""
        return prod(_size(distribution) for distribution in self.distributions.values())

    def points(self) -> list[Params]:
        """Return all points of a finite space."""
        axes = (_points(distribution) for distribution in self.distributions.values())
        return [dict(zip(self.distributions, point, strict=True)) for point in product(*axes)]


def _distribution(key: str, text: str) -> BaseDistribution:
    try:
        override = OverridesParser.create().parse_override(f"{key}={text}")
    except HydraException as error:
        raise UserError(f"space.{key}={text}: {message_of(error)}; for example {GRAMMAR}") from None
    require(override.is_sweep_override(), f"space.{key}", text, f"one value alone is no space; for example {GRAMMAR}")
    sweep: Any = override.value()
    try:
        if override.is_interval_sweep():
            whole = isinstance(sweep.start, int) and isinstance(sweep.end, int)
            kind = IntDistribution if whole else FloatDistribution
            return kind(sweep.start, sweep.end, log="log" in sweep.tags)
        if override.is_range_sweep() and isinstance(sweep.start, int) and isinstance(sweep.step, int):
            values = [int(value) for value in override.sweep_string_iterator()]
            return IntDistribution(min(values), max(values), step=abs(sweep.step))
        return CategoricalDistribution(_choices(override))
    except (ValueError, TypeError) as error:
        raise UserError(f"space.{key}={text}: {message_of(error)}") from None


def _has(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return type(value) in (int, float) and distribution.low <= value <= distribution.high


def _choices(override: Override) -> list[str]:
    return list(dict.fromkeys(override.sweep_string_iterator()))


def _value(value: Any) -> Any:
    """Return the value of a choice's text."""
    return OverridesParser.create().parse_override(f"x={value}").value() if isinstance(value, str) else value


def _corner(distribution: BaseDistribution, i: int) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[i % len(distribution.choices)]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return (distribution.low, distribution.high)[i % 2]


def _size(distribution: BaseDistribution) -> float:
    return float("inf") if isinstance(distribution, FloatDistribution) else len(_points(distribution))


def _points(distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, IntDistribution)
    return range(distribution.low, distribution.high + 1, distribution.step)
