"""Findings: a study with its answers, as every section and figure of a report sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

from dnnx.reports.facts import is_fixed, show_fixed
from dnnx.reports.format import show_estimate
from dnnx.reports.page import Image
from dnnx.reports.questions import overlap
from dnnx.reports.scales import is_skewed
from dnnx.reports.statistics import Estimate, estimate
from dnnx.reports.verdicts import Verdict
from dnnx.runs.run import Run, Study


@dataclass(frozen=True)
class Findings:
    """A study, its verdicts, the notes on missing or doubtful files, and the drawn figures."""

    study: Study
    verdicts: Sequence[Verdict] = ()
    notes: Sequence[str] = ()
    images: Sequence[Image] = ()

    def images_of(self, section: str) -> list[Image]:
        """Return the figures of a section."""
        return [image for image in self.images if image.section == section]

    @property
    def sources(self) -> list[str]:
        """Return the descriptions of the data of all arms, each once."""
        notes = (run.data.get("note") or run.data.get("source") for run in self.study.runs)
        return [str(note) for note in dict.fromkeys(notes) if note]


def estimate_of(run: Run, metric: str) -> Estimate:
    """Return mean and interval of a metric over the seeds. Skewed metrics use logarithms; shares stay within 0 to 1."""
    is_share = run.about(metric).unit == "%"
    return estimate(run.values(metric), share=is_share, skewed=is_skewed(metric), overlap=overlap(run))


def cell(run: Run, metric: str) -> str:
    """Return a metric of a run as the text of a cell: mean, interval and n; a value that is not random has no n."""
    e, about = estimate_of(run, metric), run.about(metric)
    fixed = is_fixed(run, run.values(metric))
    return f"{show_fixed(e.mean, about)} (not random)" if fixed else show_estimate(e, about)
