"""The question of a study and its answers."""

from dnnx.reports import page
from dnnx.reports.findings import Findings

METHOD = (
    "Answers hold at 95 %: yes or no where the Holm-adjusted p over all verdicts is below 0.05, no meaning that the "
    "contrary is shown, else undecided. Differences are paired by seed where the arms have the same seeds; their t "
    "intervals are widened with the number of verdicts, so that interval and p never disagree. Where a seed diverged "
    "or never reached its target it counts as worst and ranks decide. Intervals in tables are 95 % t intervals of the "
    "mean over seeds, n the number of seeds measured."
)
NO_VERDICT = "There are no two arms to compare."


def applies(found: Findings) -> bool:
    """Return True: a report without an answer says why."""
    return True


def blocks(found: Findings) -> list[page.Block]:
    """Return the question, a block per verdict, and the method."""
    notes = len(found.notes)
    warning = f"Incomplete: {notes} {'note' if notes == 1 else 'notes'} under What is missing."
    return [
        *([page.Text(found.study.question)] if found.study.question else []),
        page.Heading("Answer"),
        *[page.Answer(v.ask, v.answer, v.evidence) for v in found.verdicts],
        page.Text(f"{METHOD if found.verdicts else NO_VERDICT} {found.stamp}"),
        *([page.Text(warning)] if notes else []),
    ]
