"""The looks of a study that goes on until it is decided: their seeds, their levels, and the answers they gave."""

from dnnx.reports import page
from dnnx.reports.findings import Findings
from dnnx.reports.levels import ALPHA, nominal_levels
from dnnx.reports.questions import why_untested
from dnnx.runs.looks import Looks

PLACE = 15
METHOD = (
    "Seeds were added until every claim had an answer, at most {budget} for each arm. The claims were looked at "
    "only at the planned numbers of seeds. The 5 % of false answers are divided by the number of claims and spent "
    "over the looks, in proportion to the seeds; an answer is that of the look which gave it. The level is the "
    "p-value below which that look decides a claim. The adjusted p-values of the answers are p times 0.05 and divided "
    "by that level, so they decide below 0.05."
)


def applies(found: Findings) -> bool:
    """Return whether looks were planned."""
    return found.study.looks is not None


def blocks(found: Findings) -> list[page.Block]:
    """Return the table of the looks."""
    looks = found.study.looks
    assert looks is not None
    claims = sum(not why_untested(spec) for spec in found.study.verdicts)
    levels = nominal_levels(looks.planned, ALPHA / max(claims, 1))
    rows = [_row(found, looks, place, levels[place]) for place in range(len(looks.planned))]
    head = ["look", "seeds", "level", "arms", "decided claims"]
    return [page.Heading("Looks"), page.Table(METHOD.format(budget=looks.planned[-1]), head, rows)]


def _row(found: Findings, looks: Looks, place: int, level: float) -> list[str]:
    row = [str(place + 1), str(looks.planned[place]), f"{level:.2g}"]
    if place >= len(looks.taken):
        return [*row, "not taken", ""]
    decided = [
        f"{verdict.arm} against {verdict.than}, {verdict.metric.replace('/', ' ')}: {verdict.words}"
        for verdict in found.verdicts
        if verdict.level.look == place + 1 and verdict.answer not in ("undecided", "not tested", "not measured")
    ]
    return [*row, ", ".join(looks.taken[place].arms), "; ".join(decided) or "none"]
