"""The question of a study and its answers."""

from dnnx.reports import page
from dnnx.reports.findings import Findings

PLACE = 10
METHOD = (
    "Every answer comes from one interval of the difference, arm minus other arm. It lies on one side of 0: "
    "yes, or no where the contrary is shown; by less than the margin where it lies inside the margin too. It lies "
    "inside the margin, around 0: the same. Otherwise undecided. All intervals of a study hold together "
    "with 95 % (Bonferroni). Differences are paired by seed; epochs and losses are compared as ratios. More than a few "
    "diverged seeds leave no mean: they count as worst, and exact ranks decide. Answers are for these test images; "
    "docs/statistics.md has the tests, and the error rates that were simulated. Intervals in tables are 95 % intervals "
    "of the mean over seeds, n the number of seeds measured; of losses, epochs, seconds and bytes it is the geometric "
    "mean, with the interval of its logarithm."
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
        *[page.Answer(v.ask, v.answer, v.words, v.evidence) for v in found.verdicts],
        page.Text(f"{METHOD if found.verdicts else NO_VERDICT} {found.stamp}"),
        *([page.Text(warning)] if notes else []),
    ]
