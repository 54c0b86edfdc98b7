"""Studies of how deep networks train: `dnnx.fit`, `dnnx.study` and `dnnx.load` from Python, or the commands."""

from typing import Any

__all__ = ["fit", "load", "study"]


def __getattr__(name: str) -> Any:
    """Import the Python API on first use: it imports torch, which --help does not need."""
    if name in __all__:
        from dnnx import api

        return getattr(api, name)
    raise AttributeError(f"module 'dnnx' has no attribute {name!r}")
