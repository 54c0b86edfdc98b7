"""Pages whose numbers are rendered from result files, between markers such as `<!-- result: bn_place claims -->`.

A marker is followed by its text and `<!-- /result -->`. Its words are a study and:

    command                       a box with what was typed
    status                        a sentence: when it was measured, or that it is stale or not measured
    mark                          nothing for a fresh result, else a sign that the page explains
    claims, arms                  tables
    answer                        all that is decided, in a cell
    number ARM METRIC             mean and interval; `mean ARM METRIC` the mean alone
    all repeats                   a table: the answers of studies that were run again with other seeds (no study)
    all answers                   a table: how many claims have which answer (no study)
    all open                      a table: the undecided claims, and how many more seeds would decide (no study)
    verdict ARM THAN METRIC       yes, no, the same or undecided; `gap ARM THAN METRIC` the difference with its interval
    ours ARM THAN METRIC          the number of the first arm in this claim; `theirs ARM THAN METRIC` that of the second
    beside ARM METRIC NUMBER      where a published number lies: in the interval, in the range of the seeds, or outside
"""

import re
import textwrap
from collections import Counter
from collections.abc import Mapping
from typing import Any

from benchmarks import answer_counts, open_claims, repeats
from benchmarks.markers import fill
from dnnx.basics.counts import many
from dnnx.basics.errors import UserError
from dnnx.config.paths import experiment
from dnnx.reports.published import place

STALE, NOT_YET = "‡", "Not measured yet."  # ‡: the settings have changed since
OF_ALL = {"all repeats": repeats.table, "all answers": answer_counts.table, "all open": open_claims.table}
TABLES, CELLS = ("claims", "arms"), ("answer", "number", "mean", "verdict", "gap", "ours", "theirs", "beside")
UNTESTED = ("not tested", "not measured")
OPEN_ANSWERS = ("undecided", *UNTESTED)
MAX_TOLD = 3  # decided claims of an answer in words; the page of the field has all, with their intervals
SIZES = ("data.train_size", "data.train_per_class", "data.val_per_class")  # how many examples an arm has
WIDTH = 118  # of a line in the head of an experiment
Records = Mapping[str, Mapping[str, Any]]


def rendered(page: str, records: Records, stale: Mapping[str, list[str]]) -> str:
    """Return a page with the text of every marker as the result files say it. `stale` has the reasons by study."""
    return fill(page, "result", lambda marker: expand(marker, records, stale))


def expand(marker: str, records: Records, stale: Mapping[str, list[str]]) -> str:
    """Return the text of one marker. Raise UserError for a marker that no result file can fill."""
    if marker in OF_ALL:
        return f"\n{OF_ALL[marker](records)}\n"
    study, what, *words = marker.split()
    record, changed = records.get(study), stale.get(study, [])
    if what == "mark":
        return STALE if changed else ""
    if what == "status":
        return NOT_YET if record is None else status(record, changed)
    if what == "command":
        return f"\n{command(study, record)}\n"
    if record is None and experiment(study) is not None:
        return _unmeasured(what, marker)
    if record is None:
        raise UserError(f"marker '{marker}': there is no docs/results/{study}.json; make results folder=... writes it")
    try:
        whole = {"claims": claims, "arms": arms, "answer": answer}
        text = _cell(record, what, words) if words else whole[what](record)
    except (KeyError, StopIteration, ValueError):
        raise UserError(f"marker '{marker}': docs/results/{study}.json has no such number") from None
    return f"\n{text}\n" if "\n" in text else text


def _unmeasured(what: str, marker: str) -> str:
    """Return the text of a marker of a study that has no result file yet: no table, and words for a number."""
    if what not in (*TABLES, *CELLS):
        raise UserError(f"marker '{marker}': {what} is none of {', '.join((*TABLES, *CELLS))}")
    if what in TABLES or what == "gap":
        return ""
    return "not measured yet"


def command(study: str, record: Mapping[str, Any] | None) -> str:
    """Return a box with the commands that gave a result, or would: as one types them here, with workers of their own.

    >>> print(command("dropout", {"command": "python -m dnnx.train +exp=dropout study.until=decided jobs=1"}))
    ```
    dnnx train +exp=dropout study.until=decided
    ```
    """
    path = experiment(study)
    typed = record["command"] if record is not None else f"python -m dnnx.train +exp={study}"
    lines = re.sub(r" jobs=1\b", "", typed.replace("python -m dnnx.train", "dnnx train")).split(" && ")
    needed = _needed(path.read_text()) if path is not None else None
    after = f" # after +exp={needed}" if needed and len(lines) == 1 else ""
    return "\n".join(["```", *lines[:-1], lines[-1] + after, "```"])


def _needed(text: str) -> str | None:
    """Return the study that an experiment starts from, as its file names it."""
    found = re.search(r"^  needs: (\w+)$", text, flags=re.M)
    return found[1] if found else None


def status(record: Mapping[str, Any], changed: list[str]) -> str:
    """Return when, from what and how a result was measured, and whether it is stale."""
    seeds = repeats.seed_counts(record)
    num = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
    data = record["data"]
    sizes = ", ".join(f"{count:,} {split}" for split, count in data.get("sizes", {}).items())
    told = (
        f"Measured on {record['date']} by commit {record['commit'][:10]}{_looked(record)}: {num} seeds, "
        f"{data.get('note', data.get('source'))} ({sizes}{_of_first(record)}), {_time(record)}, "
        "on a machine that other work may have shared."
    )
    return f"{told} **Stale**, to be measured again: {'; '.join(changed)}." if changed else told


def _of_first(record: Mapping[str, Any]) -> str:
    """Return a note where arms have other numbers of examples than the first, whose numbers a result file has."""
    changed = [key for key in record.get("declared", {}).get("axes", {}) if key in SIZES]
    return f"; with the first value of {', '.join(f'`{key}`' for key in changed)}" if changed else ""


def _looked(record: Mapping[str, Any]) -> str:
    """Return how a study went on after its first seeds; "" for one of a given number of seeds."""
    tested = [claim for claim in record["claims"] if claim["answer"] not in UNTESTED]
    if any("anytime" in claim["test"] for claim in tested):
        return ", with seeds that were added later"
    typed = [word for word in record["command"].split() if word.startswith(("study.until=", "study.max_seeds="))]
    return f" with `{' '.join(typed)}`" if typed else ""


def claims(record: Mapping[str, Any]) -> str:
    """Return the table of all claims, decided or not."""
    lines = ["| claim | answer | numbers |", "|---|---|---|"]
    for claim in record["claims"]:
        against = _against(claim) if claim["ours"] else ""
        size = "nothing is random" if claim.get("fact") else f"n = {claim['n']}"  # older result files have no facts
        size = "" if claim["answer"] == "not tested" else size
        numbers = "; ".join(part for part in (against, claim["difference"], size) if part)
        lines.append(f"| {claim['ask']} | **{claim['words']}** | {numbers} |")
    return "\n".join(lines)


def arms(record: Mapping[str, Any]) -> str:
    """Return the table of all arms with the test metrics that are claimed, and a few that are always shown."""
    known = [name for arm in record["arms"].values() for name in arm["metrics"]]
    claimed = [claim["metric"] for claim in record["claims"] if claim["metric"].startswith("test/")]
    wanted = dict.fromkeys(["test/accuracy", *claimed, "val/loss", "epoch/best", "dead/share"])
    shown = [name for name in wanted if name in known] + sorted({n for n in known if n.startswith("ensemble/")})[:1]
    names = {"epoch/best": "best epoch", "dead/share": "dead units"}
    is_uneven = len(repeats.seed_counts(record)) > 1
    head = ["arm", *["seeds"] * is_uneven, *(names.get(name, name.replace("/", " ")) for name in shown)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, arm in record["arms"].items():
        cells = [arm["metrics"].get(metric, {}).get("text", "") for metric in shown]
        gone, num = arm["diverged"], len(arm["seeds"].split())
        title = f"{name} ({gone} of {num} seeds diverged)" if gone else name
        numbers = [""] * len(cells) if gone == num else map(_without_n, cells)
        lines.append(f"| {' | '.join([title, *[str(num)] * is_uneven, *numbers])} |")
    return "\n".join(lines)


def answer(record: Mapping[str, Any]) -> str:
    """Return the first decided claims in words, and how many more are decided, undecided or not tested.

    A study without claims answers with the main metric of each arm.
    """
    if not record["claims"]:
        return "; ".join(f"{arm} {_without_n(_main(numbers))}" for arm, numbers in record["arms"].items())
    decided = [claim for claim in record["claims"] if claim["answer"] in repeats.DECIDED]
    shown = decided if len(decided) <= MAX_TOLD + 1 else decided[:MAX_TOLD]
    counts = Counter(claim["answer"] for claim in record["claims"])
    rest = [f"{counts[one]} of {len(record['claims'])} claims **{one}**" for one in OPEN_ANSWERS if counts[one]]
    more = [f"{len(decided) - len(shown)} more **decided**"] if shown != decided else []
    return "; ".join([*map(_decided, shown), *more, *rest])


def head_of_experiment(text: str, record: Mapping[str, Any]) -> str:
    """Return the file of an experiment with the cost and the answer of its result file in its first lines."""
    told = answer(record).replace("**", "")
    lines = textwrap.wrap(f"Answer: {told}.", WIDTH, break_long_words=False, break_on_hyphens=False)
    comment = "".join(f"# {line}\n" for line in lines)
    needed = _needed(text)
    cost = f"{_time(record)}{_looked(record).replace('`', '')}{f', after +exp={needed}' if needed else ''}"
    text = re.sub(r"^(# python -m dnnx.train \+exp=\w+)   \(.*\)$", rf"\1   ({cost})", text, count=1, flags=re.M)
    return re.sub(r"^# Answer: .*?\n(?=# All numbers:)", lambda _: comment, text, flags=re.S | re.M)


def _time(record: Mapping[str, Any]) -> str:
    """Return how long a study trained, without searches and tests, and on how many threads."""
    minutes = record["minutes"]
    told = f"{minutes:.2g} minutes of training" if minutes >= 1 else "less than a minute of training"
    return f"{told} on {many(record['machine'].get('threads', 1), 'thread')}"


def _main(arm: Mapping[str, Any]) -> str:
    """Return the main metric of an arm, which a result file has first."""
    return next((number["text"] for number in arm["metrics"].values()), "no number")


def _decided(claim: Mapping[str, Any]) -> str:
    """Return what is true, in words and with the difference: yes and no are of a question that no cell has."""
    if claim["answer"] == "same":
        return f"{_short(claim['phrase'])}: **{claim['words']}**"
    limits = claim["words"].removeprefix(claim["answer"])  # such as ", by less than 0.1 points"
    difference = claim["difference"].removeprefix("difference ").partition(" (")[0]
    return f"{_short(claim['phrase'])}{limits}, {difference or _against(claim)}"


def _short(phrase: str) -> str:
    """Return a phrase with swept values in short: a run is called by its arm and each typed key with its value.

    >>> _short("depth5_data.train_per_class-10 is less accurate than depth0_data.train_per_class-10")
    'depth5 (train_per_class 10) is less accurate than depth0 (train_per_class 10)'
    """
    return re.sub(r"\b(\w+)_(?:\w+\.)+(\w+)-([\w.+-]*\w)", r"\1 (\2 \3)", phrase)


def _against(claim: Mapping[str, Any]) -> str:
    """Return the numbers of both arms: the means, or medians where a seed has no finite number."""
    return f"{'medians ' if claim.get('middle') == 'median' else ''}{claim['ours']} against {claim['theirs']}"


def _cell(record: Mapping[str, Any], what: str, words: list[str]) -> str:
    if what == "beside":
        return beside(record, *words)
    if what in ("number", "mean"):
        arm, metric = words
        text = record["arms"][arm]["metrics"][metric]["text"]
        return text.partition(" (")[0] if what == "mean" else _without_n(text)
    arm, than, metric = words
    claim = next(c for c in record["claims"] if (c["arm"], c["than"], c["metric"]) == (arm, than, metric))
    told: str = f"**{claim['words']}**" if what == "verdict" else claim[{"gap": "difference"}.get(what, what)]
    if not told:
        raise ValueError(f"{what} of a claim that is not tested")
    return told


def beside(record: Mapping[str, Any], arm: str, metric: str, published: str) -> str:
    """Return where a published number lies: in the interval of an arm, in the range of its seeds, or outside."""
    number = record["arms"][arm]["metrics"][metric]
    interval = number["low"], number["high"]
    low, high = number.get("range", interval)  # older result files have none
    return place(float(published) / (100 if "%" in number["text"] else 1), interval, (low, high))


def _without_n(text: str) -> str:
    """Return an estimate without its n, which the page states once.

    >>> _without_n("98.3 % (98.2 to 98.5, n = 5)"), _without_n("98.3 % (n = 1)")
    ('98.3 % (98.2 to 98.5)', '98.3 %')
    """
    return re.sub(r", n = \d+\)", ")", re.sub(r" \(n = \d+\)", "", text))
