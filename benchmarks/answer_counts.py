"""How many claims have which answer, over all result files; answers that are facts and not tests are counted apart."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

ANSWERS = {"yes": "yes", "no": "no", "same": "the same", "undecided": "undecided", "not tested": "not tested"}
Record = Mapping[str, Any]


def table(records: Mapping[str, Record]) -> str:
    """Return a table with a line for tested claims and one for facts."""
    lines = [f"| claims | {' | '.join(ANSWERS.values())} | in all |", "|---" * (len(ANSWERS) + 2) + "|"]
    for words, is_fact in (("tested over seeds", False), ("facts: nothing is random", True)):
        found = counts(records, is_fact)
        lines.append(f"| {words} | {' | '.join(str(found[name]) for name in ANSWERS)} | {found.total()} |")
    return "\n".join(lines)


def counts(records: Mapping[str, Record], is_fact: bool) -> Counter[str]:
    """Return how many claims have which answer, of facts or of all others. What was not measured was not tested."""
    claims = (claim for record in records.values() for claim in record["claims"])
    answers = (claim["answer"] for claim in claims if claim.get("fact", False) is is_fact)
    return Counter("not tested" if answer == "not measured" else answer for answer in answers)
