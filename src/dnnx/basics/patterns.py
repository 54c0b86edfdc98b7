"""Patterns for names, such as `hidden_layers.[01].*`."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from dnnx.basics.errors import require


def matching(names: Iterable[str], patterns: Iterable[str], key: str) -> set[str]:
    """Return the names that match a pattern. Raise UserError, which names `key`, for a pattern without match."""
    found: set[str] = set()
    for pattern in patterns:
        matches = {name for name in names if fnmatchcase(name, pattern)}
        require(bool(matches), key, pattern, f"it matches none of {', '.join(names)}")
        found |= matches
    return found
