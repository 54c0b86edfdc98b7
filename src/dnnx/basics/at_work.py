"""Checks that a run does the thing that its config names: a hypothesis that was not switched on gives no results."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dnnx.basics.errors import UserError


class NotAtWork(UserError):
    """The config names a technique, and the run shows no sign of it: a bug, or a value that undoes it."""


def must(holds: Any, found: str) -> None:
    """Raise NotAtWork with `found` unless `holds`."""
    if not holds:
        raise NotAtWork(found)


def nothing(run: Any) -> None:
    """Check nothing, for a technique that shows nothing at that time."""


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
    """Run the checks of `when`, "before" or "after", that the config names; NotAtWork names the technique."""
    for check in checks:
        if check.named(run.cfg):
            try:
                getattr(check, when)(run)
            except NotAtWork as error:
                raise NotAtWork(f"{check.name} is in the config but not at work: {error}") from None
