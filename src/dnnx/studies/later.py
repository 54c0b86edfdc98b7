"""Claims that were made after the results of their arms could be seen: study.json marks them, and reports say so."""

from collections.abc import Mapping
from typing import Any

from dnnx.runs.files import read_declaration
from dnnx.studies.plan import Plan

KEYS = ("metric", "arm", "than", "than_metric", "expect")  # what makes a claim another one; its words do not
Claim = Mapping[str, Any]


def claims_of(plan: Plan) -> list[dict[str, Any]]:
    """Return the claims of a plan, with `later: true` for each that its study.json marks, or that is later now.

    A claim is later if it is not in study.json yet, though both of its arms have results.
    """
    known = _known(plan)
    return [
        {**one, "later": True} if known.get(_key(one), _is_seen(plan, one)) else dict(one)
        for one in plan.declared["verdicts"]
    ]


def new_ones(plan: Plan) -> list[str]:
    """Return the questions of the claims that are later now and were not in study.json."""
    known = _known(plan)
    return [one["ask"] for one in plan.declared["verdicts"] if _key(one) not in known and _is_seen(plan, one)]


def _known(plan: Plan) -> dict[tuple[Any, ...], bool]:
    """Return for each claim of study.json whether it is marked there; a file without claims has all of the plan's."""
    path = plan.folder / "study.json"
    found = read_declaration(path).get("verdicts") if path.exists() else []
    return {_key(one): bool(one.get("later")) for one in (plan.declared["verdicts"] if found is None else found)}


def _is_seen(plan: Plan, claim: Claim) -> bool:
    return all((plan.folder / claim[side] / "results.json").exists() for side in ("arm", "than"))


def _key(claim: Claim) -> tuple[Any, ...]:
    return tuple(claim.get(key) for key in KEYS)
