"""Write report.md and report.html of a tuning study, from its trials in Optuna's storage alone."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, stdev

import optuna
from matplotlib.figure import Figure
from optuna import Study
from optuna.trial import FrozenTrial

from dnnx.reports import page, tuning_figures
from dnnx.reports.figures import drawing
from dnnx.reports.format import bare, show
from dnnx.reports.format import label as axis_label
from dnnx.reports.html import html
from dnnx.runs.about import About, is_loss
from dnnx.runs.files import write_text
from dnnx.runs.legacy import about_of_old

OF_OLD = ("accuracy", "precision", "recall", "f1", "loss")  # metrics of a book without the attribute `about`
MAX_LISTED = 10
MIN_FOR_IMPORTANCES = 5  # complete trials


@dataclass(frozen=True)
class TuningReport:
    """The findings as `sentences`. `has_best` is False if no trial is complete."""

    sentences: list[str]
    has_best: bool


def build(study: Study, folder: Path) -> TuningReport:
    """Write the report of a tuning study into `folder`."""
    trials = study.get_trials(deepcopy=False)
    scored = [trial for trial in trials if trial.values and trial.state.is_finished()]
    complete = [trial for trial in scored if trial.state.name == "COMPLETE"]
    sentences = _sentences(study, trials, complete)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    images = _figures(study, scored, folder / "figures") if complete else []
    blocks: list[page.Block] = [
        page.Heading("What was found"),
        *[page.Text(sentence) for sentence in sentences],
        page.Text(METHODS[parts(study)]),
    ]
    if complete:
        blocks += [page.Heading("Best trials"), _best(study, complete), page.Heading("Figures"), *images]
    blocks += [
        page.Heading("Failed trials"),
        _failed(trials),
        page.Heading("Search"),
        _facts("What all trials have in common, and what was searched.", study.user_attrs.get("search", {})),
        _facts("The data, with checksums of its files.", _flat_data(study)),
    ]
    title = f"{study.study_name}: tuning"
    write_text(folder / "report.md", page.markdown(title, blocks))
    write_text(folder / "report.html", html(title, blocks))
    return TuningReport(sentences, bool(complete))


METHODS = {
    "folds": "A trial trains one network for each fold, all at once, each with its own early stopping; its score is "
    "the mean over the folds, each with the weights of its least validation loss. As the epoch, and the best of many "
    "trials, are chosen on these same folds, the best score is a little too good; that on the test set, which no trial "
    "has seen, is not.",
    "seeds": "A trial trains one network for each seed, one after the other, each with its own early stopping, and is "
    "pruned by the curve of the first. Its score is the mean over the seeds, each at the best epoch of the monitored "
    "metric, on the module's own validation data. The epoch and the best of many trials are chosen on that same data, "
    "so the best score is a little too good; that on the test set, which no trial has seen, is not.",
}


def parts(study: Study) -> str:
    """Return the parts of a trial over which its score is a mean: folds, or seeds of a LightningModule."""
    found = study.user_attrs.get("parts")
    return found if found in METHODS else "folds"


def objective(study: Study) -> str:
    return str(study.user_attrs.get("search", {}).get("objective", "value"))


def metrics_of(study: Study) -> dict[str, About]:
    """Return unit and direction of every metric that trials are scored by, losses last."""
    known = study.user_attrs.get("about") or about_of_old(OF_OLD)
    return {name: About(**known[name]) for name in sorted(known, key=is_loss)}


def show_value(study: Study, value: float, metric: str | None = None) -> str:
    """Return a value of a metric, by default the objective, with its unit."""
    return show(value, metrics_of(study).get(metric or objective(study), About()), digits=4)


def show_score(study: Study, trial: FrozenTrial) -> str:
    """Return the mean over folds as text, with the standard deviation between folds."""
    assert trial.values
    name, folds = objective(study), trial.user_attrs.get(objective(study), [])
    if len(folds) < 2:
        return f"{name} {show_value(study, trial.values[0])}"
    about = metrics_of(study).get(name, About())
    spread = bare(stdev(folds), about, digits=4)
    return f"{name} {show_value(study, trial.values[0])} (sd {spread} over {len(folds)} {parts(study)})"


def state_of(trial: FrozenTrial) -> str:
    """Return the state of a trial in a word, or the reason of its failure."""
    if trial.state.name == "FAIL":
        return f"failed: {trial.user_attrs['reason']}" if "reason" in trial.user_attrs else "interrupted"
    return trial.state.name.lower()


def finals(study: Study, trial: FrozenTrial) -> dict[str, float]:
    """Return the final values of a trial, each a mean over folds."""
    assert trial.values
    measured = {f"cv/{name}": sum(v) / len(v) for name in metrics_of(study) if (v := trial.user_attrs.get(name))}
    return {f"cv/{objective(study)}": trial.values[0]} | measured


def seconds_saved(trials: list[FrozenTrial]) -> float:
    """Return an estimate of the seconds that pruning saved.

    Each pruned trial counts at its own seconds per epoch, for the epochs it ran fewer than the median complete trial.
    Epochs beyond that median count negatively.
    """
    complete = [len(t.intermediate_values) for t in trials if t.state.name == "COMPLETE"]
    pruned = [t for t in trials if t.state.name == "PRUNED" and t.intermediate_values]
    if not complete:
        return 0.0
    left = [(t.user_attrs["seconds"] / len(t.intermediate_values), len(t.intermediate_values)) for t in pruned]
    return sum(per_epoch * (median(complete) - epochs) for per_epoch, epochs in left)


def _sentences(study: Study, trials: list[FrozenTrial], complete: list[FrozenTrial]) -> list[str]:
    counts = {name: sum(t.state.name == name for t in trials) for name in ("COMPLETE", "PRUNED", "RUNNING")}
    failed = sum(state_of(t).startswith("failed") for t in trials)
    interrupted = sum(state_of(t) == "interrupted" for t in trials)
    finished = counts["COMPLETE"] + counts["PRUNED"] + failed
    told = [f"{finished} trials finished: {counts['COMPLETE']} complete, {counts['PRUNED']} pruned, {failed} failed"]
    told += [f"{interrupted} were interrupted and replaced"] if interrupted else []
    told += [f"{counts['RUNNING']} are running"] if counts["RUNNING"] else []
    seconds = sum(t.user_attrs.get("seconds", 0) for t in trials)
    sentences = ["; ".join(told) + f". They took {seconds / 60:.1f} min, those of all workers added up."]
    if counts["PRUNED"] and complete:
        share = counts["PRUNED"] / finished
        sentences.append(
            f"Pruned: {100 * share:.0f} % of the finished trials. Saved by that: {seconds_saved(trials) / 60:.1f} min, "
            "an estimate: had each pruned trial run as many epochs as the median complete one, at its own pace."
        )
    if complete:
        best = study.best_trial
        others = [name for name in metrics_of(study) if name != objective(study) and best.user_attrs.get(name)]
        beside = "".join(f"; {name} {_mean(study, best, name)}" for name in others[:1])
        sentences.append(f"Best: trial {best.number}, {show_score(study, best)}{beside}.")
    return sentences


def _mean(study: Study, trial: FrozenTrial, metric: str) -> str:
    values = trial.user_attrs[metric]
    return show_value(study, sum(values) / len(values), metric)


def _best(study: Study, complete: list[FrozenTrial]) -> page.Table:
    maximize = study.direction.name == "MAXIMIZE"
    ranked = sorted(complete, key=lambda t: t.values[0] if t.values else 0.0, reverse=maximize)[:MAX_LISTED]
    keys = list(ranked[0].params)
    head = ["trial", f"score, mean over {parts(study)}", "epochs", "seconds", *keys]
    rows = [
        [str(t.number), show_score(study, t), str(len(t.intermediate_values)), f"{t.user_attrs['seconds']:.0f}"]
        + [f"{v:.4g}" if isinstance(v, float) else str(v) for v in (t.params[key] for key in keys)]
        for t in ranked
    ]
    return page.Table(f"The {len(rows)} best of {len(complete)} complete trials.", head, rows)


def _failed(trials: list[FrozenTrial]) -> page.Block:
    lines = [f"trial {t.number}, {state_of(t)}: {t.params}" for t in trials if t.state.name == "FAIL"]
    return page.Bullets(lines) if lines else page.Text("None.")


def _facts(caption: str, facts: dict) -> page.Table:
    return page.Table(caption, ["key", "value"], [[key, str(value)] for key, value in facts.items()])


def _flat_data(study: Study) -> dict[str, str]:
    data = study.user_attrs.get("data", {})
    return {"source": data.get("source", "not recorded"), **data.get("files", {})}


def _figures(study: Study, scored: list[FrozenTrial], folder: Path) -> list[page.Image]:
    name, maximize = objective(study), study.direction.name == "MAXIMIZE"
    about = metrics_of(study).get(name, About())
    label = f"{axis_label(name, about)}, mean over {parts(study)}"
    score = tuning_figures.Score(label, maximize, about.scale)
    space = dict(scored[0].distributions)
    n = f"n = {len(scored)} trials with a value, {sum(t.state.name == 'COMPLETE' for t in scored)} of them complete"
    planned: dict[str, tuple[Callable[[], Figure], str]] = {
        "history": (partial(tuning_figures.history, scored, score), "Every trial by number; a pruned one has "
                    "the value of its last epoch."),
        "curves": (partial(tuning_figures.curves, scored, score), "What the trials reported by epoch: the "
                   "best in colour, other complete ones faint, pruned ones faint and dashed."),
        "slices": (partial(tuning_figures.slices, scored, space, score), "Value by each key, later trials "
                   "darker; the worst fifth of the values is outside the axis."),
        "parallel": (partial(tuning_figures.parallel, scored, space, score._replace(label=name)), "Each line a trial; "
                     "the better, the brighter."),
    }  # fmt: skip
    if shares := _importances(study):
        by = "by PED-ANOVA (Watanabe et al. 2023) over the complete trials"
        caption = f"Importance of each key for {name}, mean over {parts(study)}, {by}."
        planned["importances"] = (partial(tuning_figures.importances, shares), caption)
    return [page.Image(drawing.save(draw, folder, name), f"{told} {n}.") for name, (draw, told) in planned.items()]


def _importances(study: Study) -> dict[str, float]:
    """Return the importance of each key as a share, the greatest first. Return {} if too few trials are complete."""
    if sum(t.state.name == "COMPLETE" for t in study.get_trials(deepcopy=False)) < MIN_FOR_IMPORTANCES:
        return {}
    try:
        return optuna.importance.get_param_importances(study)
    except (ValueError, RuntimeError):
        return {}
