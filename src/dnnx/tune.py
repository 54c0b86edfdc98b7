"""`python -m dnnx.tune`: search a space by cross-validated trials, then train and test the best setting."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from dnnx.basics.console import console, warn
from dnnx.basics.errors import UserError, choose, require
from dnnx.basics.signals import Stopped
from dnnx.config import resume
from dnnx.config.app import command, study_folder, typed_overrides
from dnnx.config.check import check_keys
from dnnx.config.compose import compose
from dnnx.config.paths import tuning_folder
from dnnx.config.plain import is_plain, settle
from dnnx.config.seeds import parse_seeds
from dnnx.runs.files import remove_empty
from dnnx.studies.plan import chosen_overrides
from dnnx.train import train
from dnnx.tuning import outcome

if TYPE_CHECKING:  # Optuna and torch load slowly, and --help must answer at once
    from optuna import Study
    from optuna.trial import FrozenTrial

    from dnnx.tuning.cross_validation import CrossValidation
    from dnnx.tuning.space import Space

WAIT_S = 1.0  # seconds between two looks at the trials of other workers
Compose = Callable[[Sequence[str]], DictConfig]


class TooManyFailed(Exception):
    """The sweep ends because too many trials failed; the cause is probably common to all."""


def tune(cfg: DictConfig, folder: Path, compose: Compose) -> None:
    """Run trials of the study in `folder` until `n_trials` are finished, by this process and others.

    `compose` returns the config of a run for given overrides.
    """
    check(cfg)

    from dnnx.tuning.cross_validation import CrossValidation  # imports torch
    from dnnx.tuning.opening import open_study
    from dnnx.tuning.own_module import OwnModule
    from dnnx.tuning.space import Space

    plain: Any = OmegaConf.to_container(cfg)
    space = Space(plain["space"], plain["derived"])
    validation = (OwnModule if is_plain(cfg) else CrossValidation)(cfg, space, compose, folder)
    for point in space.corners():
        validation.build(point)  # a wrong key or value fails here, before the study exists
    cfg.objective, cfg.direction = validation.objective, validation.direction
    study = open_study(cfg, folder, space, validation)
    announce(cfg, study, validation)
    try:
        last = work(cfg, study, space, validation)
    except (Stopped, TooManyFailed):
        with suppress(UserError):  # no trial was completed
            outcome.close(study, folder, space)
        raise
    if not last:
        console.print("the worker that ends the last trial writes the report and trains the best setting")
        return
    outcome.close(study, folder, space)
    if cfg.retrain:
        best = study.best_trial
        console.rule(f"trial {best.number}, trained on the seeds and tested", align="left")
        train(retrain_config(cfg, validation, best, folder), folder / f"trial_{best.number}")


def check(cfg: DictConfig) -> None:
    """Raise UserError for a sweep that cannot run. The config of its runs is checked elsewhere."""
    check_keys(cfg, "train", "tune")
    for key in ("n_trials", "stale_after_s"):
        require(cfg[key] >= 1, key, cfg[key], "a whole number of at least 1")
    require(cfg.timeout is None or cfg.timeout > 0, "timeout", cfg.timeout, "null, or seconds")
    parse_seeds(cfg.seeds)
    if cfg.direction is not None:
        choose("direction", cfg.direction, {"maximize": None, "minimize": None})
    require(cfg.resume is None, "resume", cfg.resume, "leave it out; the same command continues a study")
    arms = list(cfg.study.arms or {})
    require(cfg.arm is not None or not arms, "arm", None, f"choose the arm to tune; type arm={' or arm='.join(arms)}")


def announce(cfg: DictConfig, study: "Study", validation: "CrossValidation") -> None:
    data = next(iter(validation.data.values()))
    sizes = f"{data.sizes['train']:,} training and {data.sizes['val']:,} validation examples {validation.split}"
    trials = f"{cfg.name}: {cfg.n_trials} trials of {cfg.folds} {validation.parts}"
    console.print(f"{trials}\ndata: {data.provenance['note']}: {sizes}", soft_wrap=True)
    warn(data.provenance["warning"])
    if len(study.trials):
        console.print(f"continues after {len(study.trials)} trials")


def work(cfg: DictConfig, study: "Study", space: "Space", validation: "CrossValidation") -> bool:
    """Run trials until none is left, then wait for those of other workers, whose places may become free again.

    Return whether this worker ends the study: it ended the last trial, or found nothing to do.
    """
    from optuna.trial import TrialState

    from dnnx.tuning import book

    started, waits, took_part = time.monotonic(), False, False
    total = int(min(cfg.n_trials, space.size()))
    while True:
        for number in book.fail_dead(study, cfg.stale_after_s):
            console.print(f"trial {number}: its worker was killed; another trial takes its place")
        late = cfg.timeout is not None and time.monotonic() - started > cfg.timeout
        if not late and (trial := book.claim(study, space.distributions, total)):
            run(cfg, study, trial, validation)
            took_part, waits = True, False
            continue
        done = book.counting(study)
        running = any(trial.state == TrialState.RUNNING for trial in done)
        if late or not running:
            break
        if not waits:
            console.print("waits for the trials of other workers")
            took_part = waits = True
        time.sleep(WAIT_S)
    if total < cfg.n_trials:
        console.print(f"the space has no more than {total} points")
    return not running and (not took_part or book.ended_last(done))


def run(cfg: DictConfig, study: "Study", trial: Any, validation: "CrossValidation") -> None:
    """Run one trial and store its result."""
    from optuna import TrialPruned
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    from dnnx.reports.tuning import show_value
    from dnnx.tuning.book import Heartbeat, counting, was_interrupted
    from dnnx.tuning.prune_trials import TrialFailed

    heart, failed = Heartbeat(trial), None
    with console.status(f"trial {trial.number}") as status:

        def on_epoch(epoch: int, mean: float) -> None:
            heart.beat()
            status.update(f"trial {trial.number}: epoch {epoch}, {cfg.objective} {show_value(study, mean)}")

        try:
            value, state = validation.score(trial, on_epoch), TrialState.COMPLETE
        except TrialPruned:
            value, state = None, TrialState.PRUNED
        except TrialFailed as error:
            value, state, failed = None, TrialState.FAIL, error
            trial.set_user_attr("reason", str(error))
        except UpdateFinishedTrialError:  # another worker took this one for dead
            return
        except BaseException:
            study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            raise
        study.tell(trial, value, state, skip_if_finished=True)
    finished = [t for t in counting(study) if t.state.is_finished()]
    this = next((t for t in finished if t.number == trial.number), None)
    if this is not None and not was_interrupted(this):
        console.print(outcome.line(this, study, len(finished), cfg.n_trials), soft_wrap=True, markup=False)
    failures = sum(t.state == TrialState.FAIL for t in finished)
    if failed and cfg.fail_fast:
        raise TooManyFailed(f"trial {trial.number} failed ({failed}), and fail_fast=true")
    if failures >= LEAST_FAILURES and failures > len(finished) / 2:
        raise TooManyFailed(f"{failures} of {len(finished)} trials failed; the report lists why")


LEAST_FAILURES = 5  # minimum of failures that end a sweep, if they are also more than half of its trials


def retrain_config(cfg: DictConfig, validation: "CrossValidation", best: "FrozenTrial", folder: Path) -> DictConfig:
    """Return the config of the final run with the best setting. Raise UserError if its folder holds another run."""
    run = validation.run_config(best.params, trial=False)
    there = folder / f"trial_{best.number}"
    if (there / "config.yaml").exists():
        run.resume = str(there)
        run = resume.resumed_config(run, there, ["+"])
    return run


def composer(cfg: DictConfig) -> Compose:
    """Return a function that composes the typed overrides, the chosen arm, and more overrides."""
    chosen = chosen_overrides(cfg.params, cfg.arm, cfg.study.arms, typed_overrides())
    return lambda overrides: compose("tune", [*chosen, *overrides])


@command("tune", where=tuning_folder)
def main(cfg: DictConfig) -> None:
    folder = study_folder()
    settle(cfg, typed_overrides())  # UserError for a key that a LightningModule does not read
    try:
        tune(cfg, folder, composer(cfg))
    except TooManyFailed as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        remove_empty(folder, Path(cfg.paths.outputs).absolute())


if __name__ == "__main__":
    from dnnx.tune import main  # the importable one, which launchers can send to other processes

    main()
