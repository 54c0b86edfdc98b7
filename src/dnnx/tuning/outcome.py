"""The end of a trial and of a tuning study: one line, best.yaml, the report, TensorBoard."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import OmegaConf

from dnnx.basics.console import console
from dnnx.basics.errors import UserError
from dnnx.runs.files import write_text

if TYPE_CHECKING:  # Optuna and torch load slowly, and --help must answer at once
    from optuna import Study
    from optuna.trial import FrozenTrial

    from dnnx.tuning.space import Space


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
        console.print(sentence, soft_wrap=True, markup=False)
    if not made.has_best:
        raise UserError("no trial was completed, so there is no best setting; n_trials=... asks for more")
    best = study.best_trial
    settings = space.settings(best.params)
    text = f"# trial {best.number} of {study.study_name}: {tuning.show_score(study, best)}\n"
    write_text(folder / "best.yaml", text + OmegaConf.to_yaml(OmegaConf.create(settings)))
    for key, value in settings.items():
        console.print(f"  {key}: {value}", soft_wrap=True, markup=False)
    here = os.path.relpath(folder)
    console.print(f"settings: {here}/best.yaml\nreport: {here}/report.html", soft_wrap=True)
