"""The answers of a study in plain sentences, with the forest plot and the ranking; of one run, its result."""

from dnnx.basics.counts import many
from dnnx.reports import page
from dnnx.reports.findings import Findings, cell
from dnnx.reports.saying import say, say_count, say_cut_off, say_few_examples, say_lengths, say_looked, say_run

PLACE = 10
METHOD = (
    "Every answer comes from one interval of the difference, arm minus other arm. It lies on one side of 0: "
    "yes, or no where the contrary is shown; by less than the margin where it lies inside the margin too. It lies "
    "inside the margin, around 0: the same. Otherwise undecided. All intervals of a study hold together "
    "with 95 % (Bonferroni). Differences are paired by seed; epochs and losses are compared as ratios. More than a few "
    "diverged seeds leave no mean: they count as worst, and exact ranks decide. Where nothing is random, the "
    "difference is a fact and needs no test. Answers are for these test examples; "
    "an interval over seeds and {items} is for other {items} of their kind too. It may be narrower than that over "
    "seeds: a few seeds hardly know their spread, which widens their interval, and many {items} know theirs. "
    "Where both arms do well with the same seeds (their correlation over the seeds is above 0), pairs make the "
    "interval narrower. "
    "docs/statistics.md has the tests, and the error rates that were simulated. Intervals in tables are 95 % intervals "
    "of the mean over seeds, n the number of seeds measured; of losses, epochs, seconds and bytes it is the geometric "
    "mean, with the interval of its logarithm."
)
MAX_BEFORE = 4  # answers above the figures, so that both are on the first screen
NO_VERDICT = "There are no two arms to compare."


def applies(found: Findings) -> bool:
    """Return True: a report without an answer says why."""
    return True


def blocks(found: Findings) -> list[page.Block]:
    """Return the answers or the result, what is missing, and the figures."""
    study, count = found.study, say_count([*found.verdicts])
    answers: list[page.Block] = [page.Answer(v.ask, v.answer, v.words, v.evidence, say(v)) for v in found.verdicts]
    if not answers:
        run = study.runs[0]
        is_one = len(study.runs) == 1 and run.values(study.main).notna().any()
        answers = [page.Text(say_run(run, study.main, cell(run, study.main)) if is_one else NO_VERDICT)]
    images = found.images_of("Answer")
    warnings: list[page.Block] = [page.Text(text) for text in _warnings(found)]
    is_short = len(answers) <= MAX_BEFORE
    told: list[page.Block] = [*answers, *warnings, *images] if is_short else [*warnings, *images, *answers]
    if looked := say_looked([*found.verdicts]):
        told.append(page.Text(looked))
    if found.verdicts:
        told += [page.Heading("How the answers were found", folded=True), page.Text(METHOD.format(items=study.items))]
    lengths = say_lengths(study)
    return [
        page.Heading("Answer" if found.verdicts else "Result"),
        *([page.Text(lengths)] if lengths else []),
        *([page.Text(count)] if count else []),
        *told,
    ]


def _warnings(found: Findings) -> list[str]:
    """Return a line on the arms without results, and one on all that is missing."""
    lost, notes = found.study.unfinished, len(found.notes)
    has = "has" if len(lost) == 1 else "have"
    going_on = "python -m dnnx.train resume=<the folder of the study> goes on with it"
    told = f"{', '.join(lost)} {has} no results: failed, stopped, or still in training; {going_on}."
    listed = f"Incomplete: {many(notes, 'note')} under What is missing."
    said = [say_cut_off(found.study.runs), say_few_examples(found.verdicts)]
    return [*([told] if lost else []), *filter(None, said), *([listed] if notes else [])]
