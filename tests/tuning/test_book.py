"""The book that workers share: places are taken once, dead trials fail, different searches are not mixed."""

import errno
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from dnnx.basics.errors import UserError
from dnnx.runs.locks import this_process
from dnnx.tuning import book

SPACE = {"x": FloatDistribution(0, 1)}


def running(study: optuna.Study, worker: str, heartbeat: float | None = None) -> int:
    trial = study.ask(SPACE)  # type: ignore[arg-type]
    trial.set_user_attr("worker", worker)
    if heartbeat is not None:
        trial.set_user_attr("heartbeat", heartbeat)
    return trial.number


def gone() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_trials_never_exceed_the_total_and_interrupted_ones_free_their_place() -> None:
    study = optuna.create_study()
    trials = [book.claim(study, SPACE, 3) for _ in range(5)]  # type: ignore[arg-type]
    assert [trial is not None for trial in trials] == [True, True, True, False, False]
    first, second, third = trials[:3]
    assert first is not None
    assert second is not None
    assert third is not None
    study.tell(first, state=TrialState.FAIL)  # interrupted: no reason
    second.set_user_attr("reason", "diverged")
    study.tell(second, state=TrialState.FAIL)
    study.tell(third, 0.5)
    assert book.claim(study, SPACE, 3) is not None  # type: ignore[arg-type]
    assert book.claim(study, SPACE, 3) is None  # type: ignore[arg-type]


def test_the_later_of_two_workers_at_the_last_place_gives_its_trial_back(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study()
    plain, looked = book.counting, []

    def blind_at_first(study: optuna.Study) -> list:
        looked.append(1)
        return [] if len(looked) == 1 else plain(study)

    running(study, f"{os.getpid()} elsewhere")
    monkeypatch.setattr(book, "counting", blind_at_first)
    assert book.claim(study, SPACE, 1) is None  # type: ignore[arg-type]
    assert [book.was_interrupted(trial) for trial in study.get_trials()] == [False, True]


def test_trials_of_killed_workers_are_failed_and_no_others() -> None:
    study, here = optuna.create_study(), platform.node()
    dead = [running(study, f"{gone()} {here}"), running(study, "1 elsewhere", heartbeat=0.0)]
    running(study, this_process())
    running(study, "1 elsewhere")
    assert book.Watch(60).fail_dead(study) == dead[:1]
    watch = book.Watch(0.01)
    for _ in range(2):
        assert dead[1] in [*watch.fail_dead(study), dead[1]]
        time.sleep(0.02)
    states = [trial.state == TrialState.FAIL for trial in study.get_trials()]
    assert states[:3] == [True, True, False]


def test_this_process_ends_a_study_if_it_ran_the_last_trial_or_if_there_is_none() -> None:
    study = optuna.create_study()
    for worker in (this_process(), "1 elsewhere"):
        study.tell(running(study, worker), 0.5)
    trials = book.counting(study)
    assert not book.ended_last(trials)
    assert book.ended_last(trials[:1])
    assert book.ended_last([])


def test_a_trial_has_its_worker_as_soon_as_it_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    study, seen = optuna.create_study(), list[dict]()
    plain = study.add_trial

    def add_trial(trial: optuna.trial.FrozenTrial) -> None:
        seen.append(dict(trial.user_attrs))
        plain(trial)

    monkeypatch.setattr(study, "add_trial", add_trial)
    trial = book.claim(study, SPACE, 1)  # type: ignore[arg-type]
    assert trial is not None
    assert seen == [{"worker": this_process()}]
    assert 0 <= trial.params["x"] <= 1


def test_a_worker_with_the_number_of_a_dead_one_is_another() -> None:
    study = optuna.create_study()
    number = running(study, f"{os.getpid()} {platform.node()} 1")
    living = running(study, this_process())
    earlier = running(study, f"{os.getpid()} {platform.node()}")  # of a dnnx that knew no start times
    assert book.Watch(60).fail_dead(study) == [number]
    assert [study.trials[i].state for i in (living, earlier)] == [TrialState.RUNNING] * 2


def test_clocks_that_differ_fail_no_living_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker elsewhere is an hour behind, or ahead, and beats every minute."""
    now = [0.0]
    monkeypatch.setattr(book.time, "monotonic", lambda: now[0])
    for offset in (-3600.0, 3600.0):
        study, watch = optuna.create_study(), book.Watch(600)
        number = running(study, "1 elsewhere")
        trial = optuna.trial.Trial(study, number)
        for _ in range(20):
            now[0] += 60
            trial.set_user_attr("heartbeat", time.time() + offset + now[0])
            assert watch.fail_dead(study) == []
        now[0] += 601
        assert watch.fail_dead(study) == [number]


def test_a_study_goes_on_only_with_its_own_settings(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="s", storage=book.open_storage(None, tmp_path))
    book.agree(study, "search", {"folds": 3, "space.a": "x"})
    study = optuna.load_study(study_name="s", storage=book.open_storage(None, tmp_path))
    book.agree(study, "search", {"folds": 3, "space.a": "x"})
    with pytest.raises(UserError, match=r"name=s: .*folds \(3 there, 5 here\), space.b \(absent there, y here\)"):
        book.agree(study, "search", {"folds": 5, "space.a": "x", "space.b": "y"})


def test_a_database_or_a_journal_is_accepted_and_nothing_else(tmp_path: Path) -> None:
    for storage in (f"sqlite:///{tmp_path}/tune.db", str(tmp_path / "other.log")):
        optuna.create_study(study_name="s", storage=book.open_storage(storage, tmp_path))
        assert optuna.load_study(study_name="s", storage=book.open_storage(storage, tmp_path)).trials == []
    for wrong in ("nosql://x", "postgresql://nobody@localhost:1/none", str(tmp_path / "no" / "folder.log")):
        with pytest.raises(UserError, match="storage=") as error:
            book.open_storage(wrong, tmp_path)
        assert "\n" not in str(error.value)


def test_a_torn_journal_goes_on_and_loses_only_its_last_entry(tmp_path: Path) -> None:
    study = optuna.create_study(study_name="s", storage=book.open_storage(None, tmp_path))
    study.set_user_attr("a", 1)
    study.set_user_attr("b", 2)
    journal = tmp_path / "journal.log"
    journal.write_bytes(journal.read_bytes()[:-20])
    for found in ({"a": 1}, {"a": 1, "c": 3}):
        study = optuna.load_study(study_name="s", storage=book.open_storage(None, tmp_path))
        assert study.user_attrs == found
        study.set_user_attr("c", 3)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.log"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("junk\n", "line 2 is no entry"),
        ("junk", "its last line is no entry"),
        ('{"op_code":4}{"op_code":4}\n', "line 2 is no entry"),
        ('{"op_code":4,"worker_id":"x"}\n', "not a complete journal of Optuna"),
        ('{"op_code":"x"}\n', "not a complete journal of Optuna"),
    ],
)
def test_an_invalid_journal_is_a_one_line_error_and_stays_unchanged(more: str, says: str, tmp_path: Path) -> None:
    optuna.create_study(study_name="s", storage=book.open_storage(None, tmp_path))
    journal = tmp_path / "journal.log"
    journal.write_text(before := journal.read_text() + more)
    with pytest.raises(UserError, match=rf"journal\.log: {says}") as error:
        book.open_storage(None, tmp_path)
    assert "\n" not in str(error.value)
    assert journal.read_text() == before


@pytest.mark.parametrize("call", ["os.fsync", "json.loads"])
def test_an_error_of_the_disk_names_the_journal(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    storage = book.open_storage(None, tmp_path)
    optuna.create_study(storage=storage, study_name="mine")
    reader = book.open_storage(None, tmp_path)
    optuna.create_study(storage=storage, study_name="later")
    monkeypatch.setattr(call, fail)
    with pytest.raises(OSError, match="Input/output error") as caught:
        optuna.create_study(storage=reader, study_name="other")
    assert caught.value.filename == str(tmp_path / "journal.log")
