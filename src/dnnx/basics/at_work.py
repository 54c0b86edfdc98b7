"""Checks that every technique of the config had an effect. Without effect a run fails and has no results."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dnnx.basics.errors import UserError


class NotAtWork(UserError):
    """The config switches on a technique that had no effect: a bug, or a value that cancels it."""


def must(holds: Any, found: str) -> None:
    """Raise NotAtWork with `found` unless `holds`."""
    if not holds:
        raise NotAtWork(found)


def nothing(run: Any) -> None:
    """Check nothing: for a technique without a visible sign at that time."""


@dataclass(frozen=True)
class Check:
    """A check of a run: `before` runs before the first step, `after` runs after the last.

    Both get the `dnnx.training.run.Run` and call `must`. `named` says whether a config asks for the technique.
    """

    name: str  # the key that switches the technique on
    named: Callable[[Any], Any]
    before: Callable[[Any], None] = nothing
    after: Callable[[Any], None] = nothing


def verify(checks: list[Check], when: str, run: Any) -> None:
    """Run the checks of `when`, "before" or "after", that the config asks for. Raise NotAtWork with the name of one
    that fails.
    """
    for check in checks:
        if check.named(run.cfg):
            try:
                getattr(check, when)(run)
            except NotAtWork as error:
                raise NotAtWork(f"{check.name} is in the config but not at work: {error}") from None
