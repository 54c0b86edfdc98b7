"""The arms: every metric of the test set, the ensemble, and the seeds that diverged."""

from dnnx.reports import page
from dnnx.reports.findings import Findings, cell
from dnnx.reports.format import show
from dnnx.runs.about import split_of
from dnnx.runs.run import Run, Study

SETS = {"test": "the test set", "val": "the validation set"}


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
    head += [ensemble.replace("/", " "), "diverged"] if ensemble else ["diverged"]
    rows = [_row(study, run, metrics, ensemble) for run in study.runs]
    told = [f"Best weights of every seed on {SETS.get(split, split)}"]
    told += ["the ensemble is one value per arm"] if ensemble else []
    notes = dict.fromkeys(note for metric in metrics if (note := study.about(metric).note))
    caption = " ".join(["; ".join(told) + ".", *notes])
    return [page.Heading("Arms"), page.Table(f"{caption} {found.stamp}", head, rows)]


def _row(study: Study, run: Run, metrics: list[str], ensemble: str | None) -> list[str]:
    name = f"{run.name} (reference)" if run.name == study.reference else run.name
    joint = [show(run.one(ensemble), study.about(study.main))] if ensemble else []
    return [name, *(cell(run, metric) for metric in metrics), *joint, f"{len(run.diverged)} of {len(run.seeds)}"]
