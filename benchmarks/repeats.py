"""Do answers repeat? Each study once more, with seeds that no one has looked at.

    dnnx train +exp=bn_vs_plain 'seeds=[100,101,102,103,104,105,106,107,108,109]'
    python -m benchmarks.results outputs/bn_vs_plain/latest

The second command sees that the seeds are others, and writes the answers beside those of the result file. A further
repetition, of yet other seeds, stands beside the first.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dnnx.basics.errors import require

DECIDED = ("yes", "no", "same")
KEPT = ("metric", "arm", "than", "answer", "words", "difference", "n")  # of a claim
Record = Mapping[str, Any]


def of_other_seeds(measured: Record, known: Record) -> bool:
    """Return whether no seed of a study is a seed of its result file."""
    return not _seeds(measured) & _seeds(known)


def repeated(measured: Record) -> dict[str, Any]:
    """Return the part of a record that is kept as a repetition."""
    claims = [{key: claim[key] for key in KEPT} for claim in measured["claims"]]
    kept = {key: measured[key] for key in ("command", "commit", "date", "minutes")}
    return kept | {"seeds": " ".join(map(str, sorted(_seeds(measured)))), "claims": claims}


def put_together(measured: Record, known: Record | None, changed: bool) -> Record:
    """Return the content of a result file from a study as it was measured now and the content before, if any.

    A study of other seeds is kept beside the first one. It stays there when the first one gets more seeds, unless they
    are its own or the study has `changed`. Raise UserError for a repetition of a study that has changed, or one that
    holds seeds of an earlier repetition.
    """
    if known is None:
        return measured
    own, before = _seeds(measured), known.get("repeated", [])
    told = "some arms have seeds of the result file and others have not; repeat all of them with unseen seeds"
    is_alike = len({bool(_seeds_of(arm) & _seeds(known)) for arm in measured["arms"].values()}) == 1
    require(is_alike, "seeds", min(own), told)
    if not of_other_seeds(measured, known):
        kept = [one for one in before if not changed and not own & _seeds_of(one)]
        return {**measured, "repeated": kept} if kept else measured
    require(
        not changed, "folder", measured["study"], "the study has changed since its result file; measure it anew first"
    )
    told = "a repetition of these seeds was looked at; repeat the study with seeds that no one has seen"
    require(not any(own & _seeds_of(one) for one in before), "seeds", min(own), told)
    return {**known, "repeated": [*before, repeated(measured)]}


def counts(claims: Sequence[Record], repetition: Record) -> Counter[str]:
    """Return how many decided claims came again, were undecided, turned to or from "the same" and to the contrary; and
    how many open ones were decided.

    A fact is no test, so it is not counted.
    """
    found = {_key(claim): claim["answer"] for claim in repetition["claims"]}
    told: Counter[str] = Counter()
    for claim in claims:
        first, now = claim["answer"], found[_key(claim)]
        if first in DECIDED and not claim.get("fact"):
            turned = "contrary" if {first, now} == {"yes", "no"} else "another"
            told["again" if now == first else turned if now in DECIDED else "undecided"] += 1
        elif first == "undecided" and now in DECIDED:
            told["opened"] += 1
    return told


def table(records: Mapping[str, Record]) -> str:
    """Return a table with a line for each repetition of a study with tests, and lines of sums: of all, and of those
    with as many seeds as the study had.
    """
    titles = "study", "seeds", "first had", "decided", "again", "undecided", "to or from the same", "contrary", "opened"
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    total, alike = Counter[str](), Counter[str]()
    for name, record in records.items():
        for one in record.get("repeated", []):
            if found := counts(record["claims"], one):
                total += found
                first, now = max(seed_counts(record)), len(_seeds_of(one))
                if now >= first:
                    alike += found
                lines.append(_line(name, str(now), str(first), found))
    return "\n".join([*lines, _line("**all**", "", "", total), _line("**with as many seeds**", "", "", alike)])


def _line(name: str, seeds: str, first: str, found: Counter[str]) -> str:
    decided = sum(found.values()) - found["opened"]
    numbers = (decided, *(found[key] for key in ("again", "undecided", "another", "contrary", "opened")))
    return f"| {name} | {seeds} | {first} | {' | '.join(map(str, numbers))} |"


def _key(claim: Record) -> tuple[str, str, str]:
    return claim["metric"], claim["arm"], claim["than"]


def seed_counts(record: Record) -> list[int]:
    """Return the numbers of seeds that the arms have, each once, the least first."""
    return sorted({len(arm["seeds"].split()) for arm in record["arms"].values()})


def _seeds(record: Record) -> set[int]:
    return {seed for arm in record["arms"].values() for seed in _seeds_of(arm)}


def _seeds_of(holder: Record) -> set[int]:
    """Return the seeds of an arm or a repetition."""
    return set(map(int, holder["seeds"].split()))
