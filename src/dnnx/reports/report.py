"""Builds report.md and report.html of a study, with figures, from nothing but the files that its runs left."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dnnx.basics.errors import UserError
from dnnx.reports import figures, page
from dnnx.reports.layers import LAYER_METRICS
from dnnx.reports.statistics import estimate
from dnnx.reports.verdicts import Verdict, decide, gap, number, reach, reference_targets, rise, show, show_estimate
from dnnx.runs.files import write_text
from dnnx.runs.read import Run, Study, read_study


@dataclass(frozen=True)
class Report:
    """`sentences` are the answer; `notes` what is missing, unreadable or not as it should be; figures are SVG paths."""

    sentences: list[str]
    notes: list[str]
    md: Path
    html: Path
    figures: list[Path]
    verdicts: list[Verdict]


def build(
    folders: Sequence[Path],
    out: Path,
    study: dict[str, Any] | None = None,
    reference: str | None = None,
    force: bool = False,
) -> Report:
    """Reports on run or study folders into `out`; `study` is what study.json holds, read from there by default.

    `force` reports on unreadable files and on arms of other data too, with a note; else these are a UserError.
    """
    read = read_study(folders, study, reference)
    doubts = [line for run in read.runs for line in run.broken] + _other_data(read.runs)
    if doubts and not force:
        raise UserError(f"{doubts[0]}; --force reports what can be reported, with a note")
    verdicts, lost = decide(read)
    notes = [*doubts, *read.missing, *lost, *_versions(read.runs)]
    (out / "figures").mkdir(parents=True, exist_ok=True)
    images = _figures(read, out / "figures")
    title = read.name or "study"
    blocks = _blocks(read, verdicts, notes, images)
    write_text(out / "report.md", page.markdown(title, blocks))
    write_text(out / "report.html", page.html(title, blocks))
    sentences = [verdict.sentence for verdict in verdicts]
    return Report(sentences, notes, out / "report.md", out / "report.html", [i.svg for i in images], verdicts)


def _blocks(study: Study, verdicts: list[Verdict], notes: list[str], images: list[page.Image]) -> list[page.Block]:
    stamp = f"Data: {'; '.join(dict.fromkeys(_source(run) for run in study.runs))}."
    warning = f"Incomplete: {len(notes)} {'note' if len(notes) == 1 else 'notes'} under What is missing."
    return [
        *([page.Text(study.question)] if study.question else []),
        page.Heading("Answer"),
        *[page.Answer(v.ask, v.answer, v.evidence) for v in verdicts],
        page.Text(f"{METHOD if verdicts else 'There are no two arms to compare.'} {stamp}"),
        *([page.Text(warning)] if notes else []),
        page.Heading("Arms"),
        _arms(study, stamp),
        page.Heading("Convergence"),
        _convergence(study, stamp),
        page.Heading("Overfitting"),
        _overfitting(study, stamp),
        *_layers(study, stamp),
        page.Heading("Cost"),
        _cost(study, stamp),
        *_zeros(study, stamp),
        *([page.Heading("Figures")] if images else []),
        *([page.Text(UNDRAWN)] if images and len(study.runs) > figures.MOST_ARMS else []),
        *[page.Image(image.svg, f"{image.caption} {stamp}") for image in images],
        page.Heading("What differs between the arms"),
        _config_diff(study, stamp),
        page.Heading("Data"),
        *_data(study),
        page.Heading("Commands"),
        page.Code(list(dict.fromkeys(str(run.environment.get("command", "not recorded")) for run in study.runs))),
        page.Heading("Environment"),
        _environment(study),
        page.Heading("What is missing"),
        page.Bullets(notes) if notes else page.Text("Nothing: every file of every run was there and could be read."),
    ]


UNDRAWN = (
    f"More than {figures.MOST_ARMS} arms cannot be told apart in one figure, so learning curves, layers, confusion "
    "matrices and test images are not drawn; python -m dnnx.compare draws them for the run folders that it is given."
)
METHOD = (
    "Answers hold at 95 %: yes or no where the Holm-adjusted p over all verdicts is below 0.05, no meaning that the "
    "contrary is shown, else undecided. Differences are paired by seed where the arms have the same seeds; their t "
    "intervals are widened with the number of verdicts, so that interval and p never disagree. Where a seed diverged "
    "or never reached its target it counts as worst and ranks decide. Intervals in tables are 95 % t intervals of the "
    "mean over seeds, n the number of seeds measured."
)


def _arms(study: Study, stamp: str) -> page.Table:
    of_pairs = ["test/auc", "test/threshold"] if _with_threshold(study) else []
    metrics = ["test/accuracy", "test/precision", "test/f1", *of_pairs, "test/loss"]
    head = ["arm", *(metric.replace("/", " ") for metric in metrics), "ensemble accuracy", "diverged"]
    rows = []
    for run in study.runs:
        name = f"{run.name} (reference)" if run.name == study.reference else run.name
        ensemble = show("test/accuracy", run.one("ensemble/accuracy"))
        diverged = f"{len(run.diverged)} of {len(run.seeds)}"
        rows.append([name, *(_cell(run, metric) for metric in metrics), ensemble, diverged])
    caption = (
        "Best weights of every seed on the test set; the ensemble is one value per arm. Precision and F1 are "
        "macro averages over the classes, or of the second class where AUC, the area under the ROC curve, is shown."
    ) + (THRESHOLD if of_pairs else "")
    return page.Table(f"{caption} {stamp}", head, rows)


def _with_threshold(study: Study) -> bool:
    return any("test/threshold" in run.results for run in study.runs)


THRESHOLD = (
    " Accuracy, precision, F1 and confusion matrices call a pair different above the seed's own threshold, chosen on "
    "validation; learning curves and predictions under test images do so above 0.5."
)


def _convergence(study: Study, stamp: str) -> page.Table:
    reference = study.run(study.reference)
    assert reference is not None, "read_study makes sure of the reference"
    rows = []
    for run in study.runs:
        targets = reference_targets(run, reference)
        epochs, seconds = (reach(run, targets, f"convergence/{unit}").dropna() for unit in ("epochs", "seconds"))
        reached = f"{np.isfinite(epochs).sum()} of {len(epochs)}" if len(epochs) else "not measured"
        medians = [show("", float(np.median(x))) if len(x) else "not measured" for x in (epochs, seconds)]
        means = [_cell(run, metric) for metric in ("epoch/best", "epoch/last", "val/loss")]
        rows.append([run.name, reached, *medians, *means])
    head = ["arm", "seeds that reach it", "median epoch", "median seconds", "best epoch", "last epoch", "best val loss"]
    caption = (
        f"First epoch with a validation loss no higher than the best of {study.reference}: of the same seed, or its "
        "mean where the seeds are others. Seeds that never reach it count as later than any. The reference always "
        "reaches it, so verdicts race to the loss that both arms reach instead: the higher of their two bests. Seconds "
        f"are wall time with all seeds of an arm trained together. {stamp}"
    )
    return page.Table(caption, head, rows)


def _overfitting(study: Study, stamp: str) -> page.Table:
    rows = []
    for run in study.runs:
        derived = {"overfitting/gap": gap(run), "overfitting/rise": rise(run)}
        shown = [show_estimate(metric, estimate(values)) for metric, values in derived.items()]
        rows.append([run.name, _cell(run, "train/accuracy"), _cell(run, "test/accuracy"), *shown])
    head = ["arm", "train accuracy", "test accuracy", "train minus test", "rise of val loss"]
    caption = "Best weights in evaluation mode; the rise is the validation loss of a seed's last epoch minus its best."
    return page.Table(f"{caption} {stamp}", head, rows)


def _layers(study: Study, stamp: str) -> list[page.Block]:
    rows = []
    for run in (run for run in study.runs if run.hidden_layers):
        found = {metric: estimate(values(run), metric) for metric, values in LAYER_METRICS.items()}
        rows.append([run.name, *(show_estimate(metric, e) for metric, e in found.items())])
    head = ["arm", "dead units", "equal units", "log10 of the lowest layer's gradient norm at the start"]
    caption = (
        "Units are dead that have one output for all validation images, equal that do what another unit of their "
        "layer does; shares of all hidden units, at the best epoch."
    )
    return [page.Heading("Hidden layers"), page.Table(f"{caption} {stamp}", head, rows)] if rows else []


def _cost(study: Study, stamp: str) -> page.Table:
    head = [
        "arm",
        "parameters",
        "trainable",
        "seconds per epoch",
        "seconds in all",
        "seconds to predict",
        "peak memory, MB",
    ]
    rows = []
    for run in study.runs:
        total = run.values("time/fit_s").max()
        cells = [f"{run.one(f'params/{kind}'):,.0f}" for kind in ("total", "trainable")]
        once = run.one("time/epoch_s"), total, run.one("time/test_s"), run.one("memory/peak_mb")
        cells += [number(x) for x in once]
        rows.append([run.name, *("not measured" if cell == "nan" else cell for cell in cells)])
    caption = (
        "Parameters are of one network; seconds and memory of all seeds of an arm together, once per run (n = 1); "
        "those to predict are for the test set, the fastest of several passes."
    )
    return page.Table(f"{caption} {stamp}", head, rows)


def _zeros(study: Study, stamp: str) -> list[page.Block]:
    """Where a weight of any arm is zero: how many are, and what that saves."""
    metrics = ["sparsity", "size/dense_bytes", "size/sparse_bytes"]
    times = ["time/dense_s", "time/sparse_s"]
    head = ["arm", "weights that are zero", "bytes", "bytes in sparse rows", "seconds", "seconds in sparse rows"]
    rows = [
        [run.name, *(_cell(run, metric) for metric in metrics), *(show(metric, run.one(metric)) for metric in times)]
        for run in study.runs
    ]
    caption = (
        "Share of the best linear weights that is exactly zero; one network as a safetensors file, dense and with its "
        "linear weights in compressed sparse rows; wall seconds for the test set by one network, dense and in those "
        "rows, the fastest of several passes (n = 1). Only the share is measured where no weight is zero."
    )
    return [page.Table(f"{caption} {stamp}", head, rows)] if study.along_zeros() else []


def _figures(study: Study, folder: Path) -> list[page.Image]:
    runs = sorted(study.runs, key=lambda run: run.name != study.reference)
    curved, scored, counted, pictured = (
        [run for run in runs if has(run)] for has in (_has_curves, _has_scores, _has_confusion, _has_images)
    )
    layered = [run for run in curved if run.hidden_layers]
    started = [run for run in layered if (run.metrics["epoch"] == 0).any()]
    searched = [run for run in runs if run.lr_search is not None]
    sampled, binary = ([run for run in pictured if has(run)] for has in (_has_sample, _has_two_classes))
    embedded = [run for run in runs if _has_embedding(run)]
    remade = [run for run in runs if {"sample_images", "reconstructions"} <= set(run.predictions)]
    swept = {axis: lines for axis in study.axes if (lines := study.along(axis))}
    band = "Mean over the seeds with a band of its 95 % t interval, drawn while at least half of the seeds are running."
    sizes = ", ".join(f"{run.name} {len(run.seeds)}" for run in runs)
    chosen, at_half = (" At each seed's threshold.", " At the threshold 0.5.") if _with_threshold(study) else ("", "")
    captions = {
        "accuracy": "Test accuracy: single seeds as dots, mean and 95 % t interval." + chosen,
        "curves_epochs": f"By epoch. {band} Seeds: {sizes}.{at_half and ' Accuracy at the threshold 0.5.'}",
        "curves_seconds": f"By wall seconds. {band} Seeds: {sizes}.{at_half and ' Accuracy at the threshold 0.5.'}",
        "layers": "Hidden layers by epoch, from the bottom (dark) to the top (light), mean over the seeds: mean and "
        "standard deviation of the activations, share of dead units, norm of the gradient.",
        "depth": "Activations and gradients through depth, mean over the seeds with a band of its 95 % t interval: of "
        "the initial weights in training mode, and at each seed's best epoch: activations in evaluation mode, the "
        "gradient of its last batch. A network that normalizes itself keeps to the thin lines, mean 0 and deviation 1.",
        "lr_search": "Learning-rate search: training loss while the rate grew with each step, least validation loss at "
        "each rate; thin lines are seeds, thick ones their mean, the dashed line the rate that was chosen.",
        "confusion": "Test images by true and predicted class, summed over seeds; errors shaded by share of their row."
        + chosen,
        "hardest": "Hardest test images: true → predicted class, and the ensemble's probability of the true one."
        + at_half,
        "sample": "The first test images: true → predicted class, and the ensemble's probability of the true one."
        + at_half,
        "reconstructions": "The first test images, and below them what one network makes of them.",
        "roc": "ROC on the test set: mean over the seeds with a band of its 95 % t interval.",
        "embedding": "Activations of one network for test images, in two dimensions by t-SNE, coloured by class.",
        "by_zeros": "Test accuracy by the share of weights that is not zero: mean over the seeds, band of its 95 % t "
        "interval; a line for arms whose names differ by the number in the end.",
    }
    captions |= {
        f"by_{axis}": f"Test accuracy by {axis}: mean over the seeds, band of its 95 % t interval." for axis in swept
    }
    planned: dict[str, tuple[list[Run], Callable[[], Figure]]] = {
        f"by_{axis}": (scored, partial(figures.test_accuracy_along, axis, lines)) for axis, lines in swept.items()
    }
    if left := study.along_zeros():
        planned["by_zeros"] = (scored, partial(figures.test_accuracy_along, "weights that are not zero, %", left))
    planned |= {
        "accuracy": (scored, lambda: figures.test_accuracy(scored)),
        "curves_epochs": (curved, lambda: figures.learning_curves(curved, seconds=False)),
        "curves_seconds": (curved, lambda: figures.learning_curves(curved, seconds=True)),
        "layers": (layered, lambda: figures.layers(layered)),
        "depth": (started, lambda: figures.depth(started)),
        "lr_search": (searched, lambda: figures.lr_search(searched)),
        "confusion": (counted, lambda: figures.confusion(counted)),
        "hardest": (pictured, lambda: figures.pictures(pictured, "hardest", rows=1)),
        "sample": (sampled, lambda: figures.pictures(sampled, "sample", rows=3)),
        "reconstructions": (remade, lambda: figures.reconstructions(remade)),
        "roc": (binary, lambda: figures.roc(binary)),
        "embedding": (embedded, lambda: figures.embedding(embedded)),
    }
    return [
        page.Image(figures.save(draw, folder, name), captions[name])
        for name, (shown, draw) in planned.items()
        if shown and (len(shown) <= figures.MOST_ARMS or name.startswith(("accuracy", "by_")))
    ]


def _has_curves(run: Run) -> bool:
    return len(run.curve("val", "loss")) > 0


def _has_scores(run: Run) -> bool:
    return bool(run.values("test/accuracy").notna().any())


def _has_confusion(run: Run) -> bool:
    return any(matrix is not None for matrix in run.results.get("test/confusion", []))


def _has_images(run: Run) -> bool:
    return {"labels", "probabilities", "hardest_index", "hardest_images"} <= set(run.predictions) and _has_scores(run)


def _has_sample(run: Run) -> bool:
    return {"sample_index", "sample_images"} <= set(run.predictions)


def _has_two_classes(run: Run) -> bool:
    return run.predictions["probabilities"].shape[-1] == 2 and len(np.unique(run.predictions["labels"])) == 2


def _has_embedding(run: Run) -> bool:
    """Of enough images for t-SNE's default perplexity, by a network that did not diverge."""
    p = run.predictions
    held = {"embedded", "embedded_labels"} <= set(p)
    return held and len(p["embedded"]) > 30 and bool(np.isfinite(p["embedded"]).all())


def _config_diff(study: Study, stamp: str) -> page.Block:
    flat = [_flatten(run.config) for run in study.runs if run.config]
    names = [run.name for run in study.runs if run.config]
    keys = [key for key in dict.fromkeys(k for config in flat for k in config) if len({c.get(key) for c in flat}) > 1]
    if not keys:
        return page.Text(
            "Nothing: the configurations are equal." if len(flat) > 1 else "There are no two configurations to compare."
        )
    longer = len(names) > len(keys)  # then the arms are the rows
    rows = [["arm" if longer else "key", *names]]
    rows += [[key, *(config.get(key, "absent") for config in flat)] for key in keys]
    head, *rows = [list(column) for column in zip(*rows, strict=True)] if longer else rows
    return page.Table(f"All keys of config.yaml that are not equal in all arms. {stamp}", head, rows)


def _flatten(config: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value, default=str)
    return flat


def _data(study: Study) -> list[page.Block]:
    """One description, and the checksums of files, for each kind of data among the arms."""
    blocks: list[page.Block] = []
    for text in dict.fromkeys(json.dumps(run.data) for run in study.runs if run.data):
        data = json.loads(text)
        facts = [f"{key} {_words(data[key])}" for key in ("source", "sizes", "in_shape", "class_names") if key in data]
        blocks.append(
            page.Text("; ".join([*facts, *(str(data[key]) for key in ("note", "warning") if data.get(key))]) + ".")
        )
        if data.get("files"):
            blocks.append(
                page.Table(
                    f"Files of: {data.get('note') or data.get('source')}.",
                    ["file", "SHA-256"],
                    [[k, str(v)] for k, v in data["files"].items()],
                )
            )
    return blocks or [page.Text("Not recorded.")]


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {size:,}" for key, size in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _environment(study: Study) -> page.Table:
    runs = [run for run in study.runs if run.environment]
    keys = [key for key in dict.fromkeys(key for run in runs for key in run.environment) if key != "command"]
    shown = [[key, "; ".join(dict.fromkeys(str(run.environment.get(key, "absent")) for run in runs))] for key in keys]
    return page.Table("Where the arms were trained; several values where arms differ.", ["what", "value"], shown)


def _other_data(runs: list[Run]) -> list[str]:
    """Arms whose test sets differ answer different questions."""
    seen: dict[tuple[str, str], Run] = {}
    for run in runs:
        if run.data:
            sizes = run.data.get("sizes", {})
            key = (
                f"{run.data.get('source')}, classes {_words(run.data.get('class_names'))}",
                f"{sizes.get('test')} test images",
            )
            seen.setdefault(key, run)
    if len(seen) < 2:
        return []
    return [
        "the arms have other data, so not the same question: "
        + " and ".join(f"{run.name} {', '.join(key)}" for key, run in seen.items())
    ]


def _versions(runs: list[Run]) -> list[str]:
    here = version("dnnx")
    return [
        f"{run.name}: made by dnnx {run.environment['dnnx']}, read by dnnx {here}"
        for run in runs
        if run.environment.get("dnnx", here) != here
    ]


def _source(run: Run) -> str:
    return str(run.data.get("note") or run.data.get("source") or "not recorded")


def _cell(run: Run, metric: str) -> str:
    return show_estimate(metric, estimate(run.values(metric), metric))
