"""The work of one process in a tuning: it claims trials, runs them and stores their results, until none is left."""

import time
from typing import Any

from omegaconf import DictConfig
from optuna import Study, TrialPruned
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from dnnx.basics.console import console, tell
from dnnx.reports.tuning import show_value
from dnnx.training.callbacks import progress
from dnnx.tuning import book, outcome
from dnnx.tuning.book import Heartbeat, counting, was_interrupted
from dnnx.tuning.cross_validation import CrossValidation
from dnnx.tuning.outcome import TooManyFailed
from dnnx.tuning.prune_trials import TrialFailed
from dnnx.tuning.space import Space

WAIT_S = 1.0  # seconds between two looks at the trials of other workers
MIN_FAILURES = 5  # minimum of failures that end a sweep, if they are also more than half of its trials


def work(cfg: DictConfig, study: Study, space: Space, validation: CrossValidation) -> bool:
    """Run trials until none is left, then wait for those of other workers, whose places may become free again.

    Return whether this worker ends the study: it ended the last trial, or found nothing to do.
    """
    started, waits, took_part = time.monotonic(), False, False
    total, watch = int(min(cfg.n_trials, space.size())), book.Watch(cfg.stale_after_s)
    while True:
        for number in watch.fail_dead(study):
            console.print(f"trial {number}: its worker was killed; another trial takes its place")
        late = cfg.timeout is not None and time.monotonic() - started > cfg.timeout
        if not late and (trial := book.claim(study, space.distributions, total)):
            run(cfg, study, trial, validation, total)
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


def run(cfg: DictConfig, study: Study, trial: Any, validation: CrossValidation, total: int) -> None:
    """Run one of `total` trials and store its result."""
    heart, failed = Heartbeat(trial), None
    with console.status(f"trial {trial.number}") as status:

        def on_epoch(epoch: int, mean: float) -> None:
            heart.beat()
            at = f"trial {trial.number}: epoch {epoch}, {cfg.objective} {show_value(study, mean)}"
            status.update(at)
            progress.tell(epoch, cfg.trainer.max_epochs, at)

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
        tell(outcome.line(this, study, len(finished), total))
    failures = sum(t.state == TrialState.FAIL for t in finished)
    if failed and cfg.fail_fast:
        raise TooManyFailed(f"trial {trial.number} failed ({failed}), and fail_fast=true")
    if failures >= MIN_FAILURES and failures > len(finished) / 2:
        raise TooManyFailed(f"{failures} of {len(finished)} trials failed; the report lists why")
