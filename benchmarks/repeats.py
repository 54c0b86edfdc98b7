"""Do answers repeat? Each study once more, with seeds that no one has looked at.

    dnnx train +exp=bn_vs_plain 'seeds=[100,101,102,103,104,105,106,107,108,109]'
    python -m benchmarks.results outputs/bn_vs_plain/latest

The second command sees that the seeds are others, and writes the answers beside those of the result file.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

DECIDED = ("yes", "no", "same")
KEPT = ("metric", "arm", "than", "answer", "words", "difference", "n")  # of a claim
Record = Mapping[str, Any]


def of_other_seeds(measured: Record, known: Record) -> bool:
    """Return whether no seed of a study is a seed of its result file."""
    return not set(_seeds(measured)) & set(_seeds(known))


def repeated(measured: Record) -> dict[str, Any]:
    """Return the part of a record that is kept as a repetition."""
    claims = [{key: claim[key] for key in KEPT} for claim in measured["claims"]]
    kept = {key: measured[key] for key in ("command", "commit", "date", "minutes")}
    return kept | {"seeds": " ".join(map(str, sorted(set(_seeds(measured))))), "claims": claims}


def put_together(measured: Record, known: Record | None, changed: bool) -> Record:
    """Return the content of a result file from a study as it was measured now and the content before, if any.

    A study of other seeds is kept beside the first one. More seeds of the first one leave its repetition there, unless
    the study has changed since.
    """
    if known is None:
        return measured
    if of_other_seeds(measured, known):
        return {**known, "repeated": repeated(measured)}
    return {**measured, "repeated": known["repeated"]} if "repeated" in known and not changed else measured


def counts(record: Record) -> Counter[str]:
    """Return how many decided answers of a result came again, were undecided, and turned to another answer.

    A fact is no test, so it is not counted.
    """
    found = {_key(claim): claim["answer"] for claim in record["repeated"]["claims"]}
    told: Counter[str] = Counter()
    for claim in record["claims"]:
        if claim["answer"] in DECIDED and not claim.get("fact"):
            now = found.get(_key(claim), "not tested")
            told["again" if now == claim["answer"] else "another" if now in DECIDED else "undecided"] += 1
    return told


def table(records: Mapping[str, Record]) -> str:
    """Return a table of all studies that were repeated, with a line of sums."""
    lines = [
        "| study | seeds | decided answers | again | then undecided | another answer |",
        "|---|---|---|---|---|---|",
    ]
    total: Counter[str] = Counter()
    for name, record in records.items():
        if "repeated" in record:
            found = counts(record)
            total += found
            lines.append(_line(name, str(len(record["repeated"]["seeds"].split())), found))
    return "\n".join([*lines, _line("**all**", "", total)])


def _line(name: str, seeds: str, found: Counter[str]) -> str:
    numbers = (sum(found.values()), *(found[key] for key in ("again", "undecided", "another")))
    return f"| {name} | {seeds} | {' | '.join(map(str, numbers))} |"


def _key(claim: Record) -> tuple[str, str, str]:
    return claim["metric"], claim["arm"], claim["than"]


def _seeds(record: Record) -> list[int]:
    return [int(seed) for arm in record["arms"].values() for seed in arm["seeds"].split()]
