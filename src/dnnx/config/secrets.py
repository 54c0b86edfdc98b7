"""Secrets in a config: those that no file of a run may hold."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dnnx.basics.typed import HIDDEN, is_secret_key, secrets_of, without_secrets

FROM_VARIABLE = "${oc.env:"
NAME = re.compile(r"\$\{oc\.env:\s*([^,}\s]+)")
OF_SECRETS = re.compile(r"(?i)passw|secret|token|credential|(^|_)(pass|pw|key|apikey|auth|dsn)(_|$)")  # such names
NO_SECRETS = ("paths", "hydra")  # groups of dnnx's own


def public(cfg: DictConfig) -> dict[str, Any]:
    """Return a config for a file: plain values with all interpolations resolved, and `***` for each secret.

    Secrets are passwords in URLs and the values of keys such as `api_key`. Of values that come from a variable of the
    environment they are those of loggers, and those of a variable whose own name says so, such as DB_PASSWORD.
    """
    raw: Any = OmegaConf.to_container(cfg)
    named = {key: _without_variables(value, str(key), key == "logger") for key, value in raw.items()}
    return without_secrets(OmegaConf.to_container(OmegaConf.create(named), resolve=True))


def as_yaml(cfg: DictConfig) -> str:
    """Return a config as the text of a file, with all interpolations resolved and without secrets."""
    shown = public(cfg)
    is_whole = shown == OmegaConf.to_container(cfg, resolve=True)
    return OmegaConf.to_yaml(cfg if is_whole else OmegaConf.create(shown), resolve=True)


def secret_values(cfg: DictConfig) -> list[str]:
    """Return the secrets of a config, which no message may show."""
    raw: Any = OmegaConf.to_container(cfg)
    own = {key: value for key, value in raw.items() if key not in NO_SECRETS}
    if FROM_VARIABLE not in str(own) and own == without_secrets(own):
        return []  # nearly always, and faster
    with suppress(OmegaConfBaseException):  # a variable that is not set is reported where it is read
        part = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        return [*_hidden(OmegaConf.to_container(part, resolve=True), public(part))]
    return []


def _without_variables(value: Any, key: str, is_logger: bool) -> Any:
    if isinstance(value, dict):
        return {name: _without_variables(inner, str(name), is_logger) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_variables(inner, key, is_logger) for inner in value]
    if not isinstance(value, str) or FROM_VARIABLE not in value:
        return value
    is_secret = is_logger or any(OF_SECRETS.search(name) for name in NAME.findall(value))
    return HIDDEN if is_secret or is_secret_key(key) else value


def _hidden(whole: Any, shown: Any) -> Iterator[str]:
    """Yield the texts in which two forms of one config differ."""
    if isinstance(whole, dict):
        for key in whole:
            yield from _hidden(whole[key], shown[key])
    elif isinstance(whole, list):
        for pair in zip(whole, shown, strict=True):
            yield from _hidden(*pair)
    elif whole != shown:
        yield str(whole)
        yield from secrets_of(f"x={whole}")
