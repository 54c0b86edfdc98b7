"""Studies of how deep networks train: `dnnx.fit`, `dnnx.study` and `dnnx.load` from Python, or the commands."""

from typing import Any

__all__ = ["fit", "load", "study"]


def __getattr__(name: str) -> Any:
    """Import the Python front door, and with it torch, when it is first used: --help needs none of it."""
    if name in __all__:
        from dnnx import api

        return getattr(api, name)
    raise AttributeError(f"module 'dnnx' has no attribute {name!r}")
