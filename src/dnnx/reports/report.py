"""Write report.md and report.html of a study, with figures, from its run folders alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dnnx.basics.errors import UserError
from dnnx.reports import figures, page, sections
from dnnx.reports.figures import drawing
from dnnx.reports.findings import Findings
from dnnx.reports.html import html
from dnnx.reports.parts import parts
from dnnx.reports.sections.data import in_words
from dnnx.reports.verdicts import Verdict, decide, unmeasured
from dnnx.runs.files import write_text
from dnnx.runs.read import read_study
from dnnx.runs.run import Run, Study


@dataclass(frozen=True)
class Report:
    """`sentences` are the answer, `notes` name missing, unreadable or doubtful files, `figures` are paths of SVGs.

    `unmeasured` has a line for each metric of a claim that no run has.
    """

    sentences: list[str]
    notes: list[str]
    md: Path
    html: Path
    figures: list[Path]
    verdicts: list[Verdict]
    study: Study
    unmeasured: list[str]


def build(
    folders: Sequence[Path],
    out: Path,
    study: dict[str, Any] | None = None,
    reference: str | None = None,
    force: bool = False,
) -> Report:
    """Write the report on run or study folders into `out`. `study` replaces the content of study.json.

    Raise UserError for unreadable files and for arms with different data. `force` reports on them too, with a note.
    """
    read = read_study(folders, study, reference)
    doubts = [line for run in read.runs for line in run.broken] + _other_data(read.runs)
    if doubts and not force:
        raise UserError(f"{doubts[0]}; --force reports what can be reported, with a note")
    verdicts, lost = decide(read)
    notes = dict.fromkeys([*doubts, *read.missing, *lost, *_versions(read.runs)])
    lacking = unmeasured(read)
    found = Findings(read, verdicts, [*notes, *lacking])
    found = replace(found, images=_draw(read, verdicts, out / "figures"))
    title = read.name or "study"
    blocks = [
        block for section in parts(sections, "applies") if section.applies(found) for block in section.blocks(found)
    ]
    write_text(out / "report.md", page.markdown(title, blocks))
    write_text(out / "report.html", html(title, blocks))
    sentences, drawn = [verdict.sentence for verdict in verdicts], [image.svg for image in found.images]
    paths = out / "report.md", out / "report.html"
    return Report(sentences, [*notes], *paths, drawn, verdicts, read, lacking)


def _draw(study: Study, verdicts: Sequence[Verdict], folder: Path) -> list[page.Image]:
    """Draw every figure that has an arm to show: those of the answers, then those of the study."""
    folder.mkdir(parents=True, exist_ok=True)
    planned = [plan for figure in parts(figures, "plan_answers") for plan in figure.plan_answers(verdicts)]
    planned += [plan for figure in parts(figures, "plan") for plan in figure.plan(study)]
    shown = [plan for plan in planned if plan.fits()]
    return [page.Image(drawing.save(plan.draw, folder, plan.name), plan.caption, plan.section) for plan in shown]


def _other_data(runs: list[Run]) -> list[str]:
    """Return a line for each arm whose test set differs from the first: such arms answer different questions."""
    seen: dict[tuple[str, str], Run] = {}
    for run in runs:
        if run.data:
            test = run.data.get("sizes", {}).get("test")
            source = f"{run.data.get('source')}, classes {in_words(run.data.get('class_names'))}"
            seen.setdefault((source, f"{test} test {run.items}"), run)
    if len(seen) < 2:
        return []
    told = " and ".join(f"{run.name} {', '.join(key)}" for key, run in seen.items())
    return [f"the arms have other data, so not the same question: {told}"]


def _versions(runs: list[Run]) -> list[str]:
    here = version("dnnx")
    made = ((run.name, run.environment.get("dnnx", here)) for run in runs)
    return [f"{name}: made by dnnx {there}, read by dnnx {here}" for name, there in made if there != here]
