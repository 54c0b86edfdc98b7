"""The work of one process in a tuning: it claims trials, runs them and stores their results, until none is left."""

import math
import time
from collections.abc import Callable, Sequence
from functools import partial

from omegaconf import DictConfig
from optuna import Study, Trial, TrialPruned
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import NopPruner
from optuna.samplers import QMCSampler, RandomSampler
from optuna.trial import TrialState

from dnnx.basics.console import console, tell, warn
from dnnx.basics.errors import is_out_of_memory
from dnnx.reports.tuning import show_value
from dnnx.training.callbacks import progress
from dnnx.tuning import book, outcome
from dnnx.tuning.book import Heartbeat, counting, was_interrupted
from dnnx.tuning.cross_validation import CrossValidation, OnEpoch, free_memory
from dnnx.tuning.grid import Grid
from dnnx.tuning.outcome import TooManyFailed
from dnnx.tuning.prune_trials import TrialFailed
from dnnx.tuning.sampler import PerTrial
from dnnx.tuning.space import Space

WAIT_S = 1.0  # seconds between two looks at the trials of other workers
MAX_TRIALS = 10  # that train as one network
INDEPENDENT = (RandomSampler, QMCSampler, Grid)  # samplers whose points do not depend on the results of others
Score = Callable[[Trial, OnEpoch], float]
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
        if not late and (trials := claim(study, space, total, most_at_once(cfg, study, validation, total))):
            run_all(cfg, study, trials, validation, total)
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


def most_at_once(cfg: DictConfig, study: Study, validation: CrossValidation, total: int) -> int:
    """Return how many trials may train as one network: several if none depends on another and networks are alike."""
    sampler = study.sampler.build(0) if isinstance(study.sampler, PerTrial) else study.sampler
    is_free = isinstance(sampler, INDEPENDENT) and isinstance(study.pruner, NopPruner)
    is_alike = len(validation.kinds) == 1 and "" not in validation.kinds
    if not (is_free and is_alike) or cfg.worker:  # how many workers a launcher started is not known
        return 1
    return min(MAX_TRIALS, math.ceil(total / (cfg.jobs or 1)))


def claim(study: Study, space: Space, total: int, most: int) -> list[Trial]:
    """Return at most so many trials for this worker; [] if `total` trials are finished or running."""
    trials: list[Trial] = []
    while len(trials) < most and (trial := book.claim(study, space.distributions, total)):
        trials.append(trial)
    return trials


def run_all(cfg: DictConfig, study: Study, trials: Sequence[Trial], validation: CrossValidation, total: int) -> None:
    """Run trials and store their results: several as one network, or one by one where that is not possible."""
    try:
        for trial, score in zip(trials, _scores(cfg, trials, validation), strict=True):
            run(cfg, study, trial, score, total)
    except BaseException:
        for trial in trials:
            study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        raise


def _scores(cfg: DictConfig, trials: Sequence[Trial], validation: CrossValidation) -> list[Score]:
    """Return a function for each trial that returns its score: the one to compute it, or one that knows it."""
    alone: list[Score] = [validation.score] * len(trials)
    if len(trials) == 1:
        return alone
    tell(f"{len(trials)} trials train as one network")
    hearts = {trial.number: Heartbeat(trial) for trial in trials}
    with console.status(f"{len(trials)} trials as one network") as status:

        def on_epoch(trial: Trial, epoch: int, mean: float) -> None:
            hearts[trial.number].beat()
            at = f"{len(trials)} trials as one network: epoch {epoch}"
            status.update(at)
            progress.tell(epoch, cfg.trainer.max_epochs, at)

        try:
            found = validation.score_all(trials, on_epoch)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            found = None
            warn(f"{len(trials)} trials are trained one by one, and not as one network: out of memory")
        finally:
            free_memory()
    return alone if found is None else [partial(_known, one) for one in found]


def _known(found: float | Exception, trial: Trial, on_epoch: OnEpoch) -> float:
    if isinstance(found, Exception):
        raise found
    return found


def run(cfg: DictConfig, study: Study, trial: Trial, score: Score, total: int) -> None:
    """Run one of `total` trials, of which `score` is the score, and store its result."""
    heart, failed = Heartbeat(trial), None
    with console.status(f"trial {trial.number}") as status:

        def on_epoch(epoch: int, mean: float) -> None:
            heart.beat()
            at = f"trial {trial.number}: epoch {epoch}, {cfg.objective} {show_value(study, mean)}"
            status.update(at)
            progress.tell(epoch, cfg.trainer.max_epochs, at)

        try:
            value, state = score(trial, on_epoch), TrialState.COMPLETE
        except TrialPruned:
            value, state = None, TrialState.PRUNED
        except TrialFailed as error:
            value, state, failed = None, TrialState.FAIL, error
            trial.set_user_attr("reason", str(error))
        except UpdateFinishedTrialError:  # another worker took this one for dead
            return
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
