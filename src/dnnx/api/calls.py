"""A call from Python, in place of a command of the same words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dnnx.basics.errors import UserError
from dnnx.basics.signals import as_in_python
from dnnx.basics.typed import typing
from dnnx.config.app import FAILURES
from dnnx.config.explain import in_one_line


@contextmanager
def calling(words: Sequence[str]) -> Iterator[None]:
    """Train inside as `dnnx train <words>` does. Raise UserError in one line for its mistakes.

    Failures of an earlier call in this process are forgotten, so that the same mistake is printed again.
    """
    FAILURES.clear()
    with in_one_line("train", words), typing("train", words), as_in_python():
        yield


def raise_failure() -> None:
    """Raise UserError with the last failure of this call's jobs, if there is any."""
    if FAILURES:
        raise UserError(FAILURES[-1])
