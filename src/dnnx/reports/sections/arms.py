"""The arms: every metric of the test set, the ensemble, and the seeds that diverged."""

import numpy as np

from dnnx.reports import images, page
from dnnx.reports.facts import is_fixed
from dnnx.reports.findings import Findings, cell
from dnnx.reports.format import show, span, suffix
from dnnx.reports.scales import geometric
from dnnx.reports.statistics import LEVEL
from dnnx.runs.about import split_of
from dnnx.runs.run import Run, Study

PLACE = 20
SETS = {"test": "the test set", "val": "the validation set"}

BOTH = "one is over seeds and {}, for others of their kind, and may be narrower where seeds are few"
NOT_RANDOM = "An arm that is not random has one value, whatever the seed, so it has no interval."


def applies(found: Findings) -> bool:
    """Return True: every study has arms."""
    return True


def blocks(found: Findings) -> list[page.Block]:
    """Return the table of the arms."""
    study = found.study
    split, rest = split_of(study.main)
    metrics = study.metrics_of(split) or [study.main]
    ensemble = f"ensemble/{rest}" if any(f"ensemble/{rest}" in run.results for run in study.runs) else None
    head = ["arm", *(metric.replace("/", " ") for metric in metrics)]
    is_paired = images.METRIC in metrics and any(images.correct(run) is not None for run in study.runs)
    if is_paired:
        head.append(f"over seeds and {study.items}")
    head += [ensemble.replace("/", " "), "diverged"] if ensemble else ["diverged"]
    rows = [_row(study, run, metrics, ensemble, is_paired) for run in study.runs]
    told = [f"Best weights of every seed on {SETS.get(split, split)}"]
    told += ["intervals are over seeds, for these test examples"]
    told += [BOTH.format(study.items)] if is_paired else []
    told += ["the ensemble is one value per arm"] if ensemble else []
    notes = dict.fromkeys(note for metric in metrics if (note := study.about(metric).note))
    is_any_fixed = any(is_fixed(run, run.values(name)) for run in study.runs for name in metrics)
    more = [geometric(metrics), NOT_RANDOM if is_any_fixed else ""]
    caption = " ".join(["; ".join(told) + ".", *filter(None, more), *notes])
    return [
        page.Heading("Arms" if len(study.runs) > 1 else "Scores"),
        page.Table(caption, head, rows),
    ]


def _row(study: Study, run: Run, metrics: list[str], ensemble: str | None, is_paired: bool) -> list[str]:
    is_reference = run.name == study.reference and len(study.runs) > 1
    name = f"{run.name} (reference)" if is_reference else run.name
    joint = [show(run.one(ensemble), study.about(study.main))] if ensemble else []
    both = [_over_both(run)] if is_paired else []
    return [name, *(cell(run, metric) for metric in metrics), *both, *joint, f"{len(run.diverged)} of {len(run.seeds)}"]


def _over_both(run: Run) -> str:
    """Return the interval of the test accuracy over seeds and images."""
    right = images.correct(run)
    if right is None or len(right) < 2:
        return "not measured"
    ends, about = images.interval(right, LEVEL), run.about(images.METRIC)
    if np.isnan(ends[0]):
        return "no spread is seen"
    _, low, high = span(float(right.mean()), max(ends[0], 0.0), min(ends[1], 1.0), about)
    return f"{low} to {high}{suffix(about)}"
