"""The storage of a study's trials, shared by all workers: claims, heartbeats, and the trials of killed workers.

A trial that failed by its own fault has a `reason`. A failed trial without a reason was interrupted: it does not count,
and a worker starts another in its place.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna import Study, Trial
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from dnnx.basics.errors import UserError, differences, message_of
from dnnx.basics.typed import masked
from dnnx.config.continued import OFF
from dnnx.runs.files import naming
from dnnx.runs.locks import lives, this_process
from dnnx.tuning.journal_lock import JournalLock

HEARTBEAT_S = 60  # at most one heartbeat per this many seconds: each is a line in the journal

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Journal(JournalFileBackend):
    """Optuna's journal in a file; an OSError names that file."""

    def __init__(self, path: Path, lock: JournalLock):
        super().__init__(str(path), lock)  # type: ignore[arg-type]
        self.path = path

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        with naming(self.path):
            yield from super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with naming(self.path):
            super().append_logs(logs)


def open_storage(storage: str | None, folder: Path) -> BaseStorage:
    """Return the journal in `folder`, another journal by its path, or a database by its URL."""
    try:
        if storage is not None and "://" in storage:
            return RDBStorage(storage)
        return _open_journal(Path(storage or folder / "journal.log"))
    except (ImportError, ValueError, OSError, optuna.exceptions.OptunaError) as error:
        raise UserError(masked(f"storage={storage}: {message_of(error, 300)}")) from None
    except Exception as error:  # SQLAlchemy has many kinds
        if not type(error).__module__.startswith("sqlalchemy"):
            raise
        reason = message_of(error, 300)
        raise UserError(masked(f"storage={storage}: {reason}; for example storage=sqlite:///tune.db")) from None


def _open_journal(path: Path) -> JournalStorage:
    """Return a journal after removal of its last line if that is incomplete.

    A worker that died, or a full disk, leaves half a line; the next entry would be appended to it.
    """
    lock = JournalLock(path)
    backend = Journal(path, lock)
    lock.acquire()
    try:
        with naming(path):
            *entries, torn = path.read_bytes().split(b"\n")
        for number, entry in enumerate(entries, 1):
            _require_entry(entry, f"{path}: line {number}")
        if torn:
            if not torn.startswith(ENTRY[: len(torn)]):
                _require_entry(torn, f"{path}: its last line")
            os.truncate(path, path.stat().st_size - len(torn))
    finally:
        lock.release()
    try:
        return JournalStorage(backend)
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{path}: not a complete journal of Optuna ({reason}); move it away to start again") from None


ENTRY = b'{"op_code":'  # the start of every line of a journal


def _require_entry(line: bytes, told: str) -> None:
    try:
        valid = line.startswith(ENTRY) and bool(json.loads(line))
    except ValueError:
        valid = False
    if not valid:
        raise UserError(f"{told} is no entry of a journal of Optuna; delete that line, then type the same again")


def agree(study: Study, name: str, facts: Mapping[str, Any]) -> None:
    """Store the facts that all trials of a study share. Raise UserError if the study began with other facts."""
    facts = json.loads(json.dumps(facts))
    there = study.user_attrs.get(name)
    if there is None:
        study.set_user_attr(name, facts)
        return
    keys = there.keys() | {key for key, value in facts.items() if key in there or value not in OFF}
    if differing := differences(there, facts, keys):
        raise UserError(
            f"name={study.study_name}: that study was begun with another {name}: {', '.join(differing)}; "
            f"type name=... to start a new one"
        )


def was_interrupted(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and "reason" not in trial.user_attrs


def counting(study: Study) -> list[FrozenTrial]:
    """Return the trials that count, by number: finished, failed by their own fault, or running."""
    return [trial for trial in study.get_trials(deepcopy=False) if not was_interrupted(trial)]


def claim(study: Study, distributions: dict[str, BaseDistribution], total: int) -> Trial | None:
    """Return a trial for this worker, or None if `total` trials are finished or running.

    Two workers may both find the last place free. The one whose trial has the higher number gives it back.
    """
    if len(counting(study)) >= total:
        return None
    trial = _begin(study, distributions)
    if sum(other.number < trial.number for other in counting(study)) >= total:
        study.tell(trial, state=TrialState.FAIL)
        return None
    return trial


def _begin(study: Study, distributions: dict[str, BaseDistribution]) -> Trial:
    """Return a new running trial. It is stored with its worker's name at once, so that a death leaves none without."""
    study.add_trial(optuna.create_trial(state=TrialState.RUNNING, user_attrs={"worker": this_process()}))
    own = [trial for trial in study.get_trials(deepcopy=False) if _is_mine(trial) and not trial.state.is_finished()]
    trial = Trial(study, own[-1]._trial_id)
    for name, distribution in distributions.items():
        trial._suggest(name, distribution)
    return trial


def _is_mine(trial: FrozenTrial) -> bool:
    return trial.user_attrs.get("worker") == this_process()


class Heartbeat:
    """The heartbeat of a running trial: a time stamp in the storage."""

    def __init__(self, trial: Trial):
        self.trial, self.last = trial, time.monotonic()

    def beat(self) -> None:
        if time.monotonic() - self.last > HEARTBEAT_S:
            self.last = time.monotonic()
            self.trial.set_user_attr("heartbeat", time.time())


class Watch:
    """Finds the running trials of workers that were killed.

    On this machine they are known at once. Elsewhere a worker is taken for dead when its last sign of life is older
    than `stale_after_s` and did not change while this process watched for two heartbeats: clocks of machines differ.
    """

    def __init__(self, stale_after_s: float):
        self.stale_after_s, self.watched_s = stale_after_s, min(stale_after_s, 2 * HEARTBEAT_S)
        self.seen: dict[int, tuple[float, float]] = {}  # of each trial: its last sign of life, and when that was seen

    def fail_dead(self, study: Study) -> list[int]:
        """Fail the trials of killed workers, and return their numbers."""
        running = study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
        dead = [trial.number for trial in running if self._is_dead(trial)]
        for number in dead:
            study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
        return dead

    def _is_dead(self, trial: FrozenTrial) -> bool:
        known = lives(str(trial.user_attrs.get("worker", "")))
        return self._is_silent(trial) if known is None else not known

    def _is_silent(self, trial: FrozenTrial) -> bool:
        started = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
        sign, now = trial.user_attrs.get("heartbeat", started), time.monotonic()
        if self.seen.get(trial.number, (None, now))[0] != sign:
            self.seen[trial.number] = sign, now
        watched_s = now - self.seen[trial.number][1]
        return watched_s >= self.watched_s and max(watched_s, time.time() - sign) > self.stale_after_s


def ended_last(trials: list[FrozenTrial]) -> bool:
    """Return whether this process ran the trial that ended last, or whether there is none."""
    if not trials:  # the only one was of a killed worker, and the time is over
        return True
    last = max(trials, key=lambda trial: trial.datetime_complete)  # type: ignore[arg-type,return-value]
    return _is_mine(last)
