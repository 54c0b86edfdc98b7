"""Looks at a study that goes on until it is decided: those that are planned, and those that were taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Look:
    """One look: the seeds, and the arms that were trained for it."""

    seeds: tuple[int, ...]
    arms: tuple[str, ...]


@dataclass(frozen=True)
class Looks:
    """`planned` are the numbers of seeds at which the claims are looked at, `taken` the looks up to now."""

    planned: tuple[int, ...]
    taken: tuple[Look, ...] = ()

    @classmethod
    def of(cls, declared: Mapping[str, Any] | None) -> "Looks | None":
        """Return the looks in the content of study.json, None where none are planned."""
        if not declared:
            return None
        taken = (Look(tuple(look["seeds"]), tuple(look["arms"])) for look in declared["taken"])
        return cls(tuple(declared["planned"]), tuple(taken))

    def plain(self) -> dict[str, Any]:
        """Return the form of study.json."""
        taken = [{"seeds": list(look.seeds), "arms": list(look.arms)} for look in self.taken]
        return {"planned": list(self.planned), "taken": taken}
