"""The end of a trial and of a tuning study: one line, best.yaml, the report, TensorBoard."""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.console import console
from dnnx.basics.errors import UserError
from dnnx.runs.files import write_text

if TYPE_CHECKING:  # Optuna and torch load slowly, and --help must answer at once
    from optuna import Study
    from optuna.trial import FrozenTrial

    from dnnx.tuning.space import Space


class TooManyFailed(Exception):
    """The sweep ends because too many trials failed; the cause is probably common to all."""


def load(cfg: DictConfig, folder: Path) -> "Study":
    """Return the study of a tuning that has begun. Raise KeyError if it has not."""
    import optuna

    from dnnx.tuning import book

    return optuna.load_study(study_name=cfg.name, storage=book.open_storage(cfg.storage, folder))


def fail_dead(cfg: DictConfig, folder: Path) -> None:
    """Fail the trials of killed workers."""
    from dnnx.tuning import book

    with suppress(KeyError):  # they were killed before there was a study
        book.Watch(cfg.stale_after_s).fail_dead(load(cfg, folder))


def close_folder(cfg: DictConfig, folder: Path) -> None:
    """Write what `close` writes for a study whose workers were stopped; nothing if no trial was completed."""
    from dnnx.tuning.space import Space

    if folder.is_dir():
        plain: Any = OmegaConf.to_container(cfg)
        with suppress(KeyError, UserError):
            close(load(cfg, folder), folder, Space(plain["space"], plain["derived"]))


def line(trial: "FrozenTrial", study: "Study", done: int, total: int) -> str:
    """Return a line with the state of a trial and the progress of the study."""
    from dnnx.reports.tuning import show_score, state_of  # imports Optuna

    epochs, seconds = len(trial.intermediate_values), trial.user_attrs.get("seconds", 0)
    about = f"{done}/{total}  trial {trial.number}: {state_of(trial)}, {epochs} epochs, {seconds:.0f} s"
    complete = [t for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
    best = f"  best {show_score(study, study.best_trial)}, trial {study.best_trial.number}" if complete else ""
    return about + best


def close(study: "Study", folder: Path, space: "Space") -> None:
    """Write best.yaml, the report and the TensorBoard table of a study, and print the findings."""
    from dnnx.reports import tuning
    from dnnx.training.callbacks.record import log_hparams

    made = tuning.build(study, folder)
    for trial in study.get_trials(deepcopy=False):
        events = folder / "tensorboard" / f"trial_{trial.number}"
        if trial.values and not events.exists():
            log_hparams(events, trial.params, tuning.finals(study, trial))
    console.rule(f"{study.study_name}: findings", align="left")
    for sentence in made.sentences:
        console.print(sentence, soft_wrap=True)
    if not made.has_best:
        raise UserError("no trial was completed, so there is no best setting; n_trials=... asks for more")
    best = study.best_trial
    settings = space.settings(best.params)
    text = f"# trial {best.number} of {study.study_name}: {tuning.show_score(study, best)}\n"
    write_text(folder / "best.yaml", text + OmegaConf.to_yaml(OmegaConf.create(settings)))
    for key, value in settings.items():
        console.print(f"  {key}: {value}", soft_wrap=True)
    here = os.path.relpath(folder)
    console.print(f"settings: {here}/best.yaml\nreport: {here}/report.html", soft_wrap=True)
