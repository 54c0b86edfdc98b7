"""The command that the user typed, for environment.json. Worker processes inherit it as an environment variable."""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

VARIABLE = "DNNX_TYPED"
HIDDEN = "***"  # in place of a secret
URL_PASSWORD = re.compile(r"(://[^:/?#\s]*:).*@")
SECRET = re.compile(
    r"(?i)((?:password|passwd|secret|credentials?|(?:api|private|access)_?key|(?:access|api|auth|hf)_?token|\btoken)"
    r"['\"]?\s*[=:]\s*)(?!\$\{)(?:'[^']*'|\"[^\"]*\"|[^,}]+)"
)


@contextmanager
def typing(command: str, words: Sequence[str]) -> Iterator[None]:
    """Remember inside that `python -m dnnx.<command> <words>` was typed; passwords and keys become `***`."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = shlex.join(["python", "-m", f"dnnx.{command}", *map(masked, words)])
    try:
        yield
    finally:
        restore(before)


def restore(command: str | None) -> None:
    """Remember `command`, which another process remembered."""
    os.environ.pop(VARIABLE, None)
    if command is not None:
        os.environ[VARIABLE] = command


def typed_command() -> str | None:
    """Return the typed command; None where code of the user's calls dnnx without one."""
    return os.environ.get(VARIABLE)


def masked(word: str) -> str:
    """Return a word of a command without the password of a URL and without the value of a secret key.

    `${oc.env:NAME}` stays: it names a secret and does not hold it.

    >>> masked("storage=postgresql://ann:pw@host/db"), masked("+logger.wandb.api_key=123")
    ('storage=postgresql://ann:***@host/db', '+logger.wandb.api_key=***')
    """
    return SECRET.sub(r"\1***", URL_PASSWORD.sub(r"\1***@", word))


def without_secrets(config: Any, name: str = "") -> Any:
    """Return a plain config with `***` for the passwords of URLs and for the values of secret keys.

    >>> without_secrets({"wandb": {"api_key": "123", "project": "digits"}})
    {'wandb': {'api_key': '***', 'project': 'digits'}}
    """
    if isinstance(config, dict):
        return {key: without_secrets(value, str(key)) for key, value in config.items()}
    if isinstance(config, list):
        return [without_secrets(value, name) for value in config]
    text = f"{name}={config}"
    return config if config is None or masked(text) == text else masked(text).partition("=")[2]
