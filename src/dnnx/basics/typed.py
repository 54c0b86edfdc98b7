"""The command that the user typed, for environment.json, and the secrets in it, which no file and no message shows.

Worker processes inherit the command as an environment variable.
"""

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

VARIABLE = "DNNX_TYPED"
HIDDEN = "***"  # in place of a secret
MIN_LETTERS = 4  # of a secret that is searched for in messages; shorter texts occur by chance
URL_PASSWORD = re.compile(r"(://[^:/?#\s]*:)(.*)@")
SECRET = re.compile(
    r"(?i)((?:password|passwd|secret|credentials?|(?:api|private|access)_?key|(?:access|api|auth|hf)_?token|\btoken)"
    r"['\"]?\s*[=:]\s*)(?!\$\{)('[^']*'|\"[^\"]*\"|[^,}]+)"
)
_known: set[str] = set()  # secrets of the commands that this process runs


@contextmanager
def typing(command: str, words: Sequence[str]) -> Iterator[None]:
    """Remember inside that `python -m dnnx.<command> <words>` was typed; passwords and keys become `***`."""
    before = os.environ.get(VARIABLE)
    if before is None:
        _known.clear()  # not at the end: its error is printed after that
    os.environ[VARIABLE] = shlex.join(["python", "-m", f"dnnx.{command}", *map(masked, words)])
    remember(secret for word in words for secret in secrets_of(word))
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
    return SECRET.sub(rf"\1{HIDDEN}", URL_PASSWORD.sub(rf"\1{HIDDEN}@", word))


def is_secret_key(key: str) -> bool:
    """Return whether a key names a secret, whatever its value.

    >>> is_secret_key("logger.wandb.api_key"), is_secret_key("optimizer.lr")
    (True, False)
    """
    return masked(f"{key}=x") != f"{key}=x"


def secrets_of(word: str) -> list[str]:
    """Return the texts that `masked` replaces in a word.

    >>> secrets_of("storage=postgresql://ann:pw@host/db"), secrets_of("+logger.wandb.api_key='123'")
    (['pw'], ['123'])
    """
    return [found[2].strip("'\"") for pattern in (URL_PASSWORD, SECRET) for found in pattern.finditer(word)]


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


def is_hidden(value: Any) -> bool:
    """Return whether a value of a file stands for a secret, or for a URL with one."""
    return isinstance(value, str) and (value == HIDDEN or f":{HIDDEN}@" in value)


def remember(secrets: Iterable[str]) -> None:
    """Let `hide` know these secrets until another command is typed."""
    _known.update(secret for secret in secrets if len(secret) >= MIN_LETTERS)


def hide(text: str) -> str:
    """Return a message without the secrets that are known."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
