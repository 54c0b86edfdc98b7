"""A tuning with jobs=N: workers share its trials; a killed one is replaced, and a stop keeps what is done."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from commands import typed
from optuna import Study
from optuna.trial import TrialState
from tuning_sweeps import OWN, TINY, load, run_tuning
from workers import children, start, wait_for_end

WORK = ["--config-dir", str(OWN), *TINY, "seeds=1", "jobs=2"]
LONG = ["retrain=false", "n_trials=6", "pruner=none", "callbacks.early_stopping.patience=100",
        'trial=["trainer.max_epochs=40"]']  # fmt: skip


def finished(study: Study) -> int:
    return sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in study.trials)


def when_running(process: subprocess.Popen[str], folder: Path, trials: int) -> list[int]:
    """Wait until so many trials have begun; return the processes of the two workers."""
    while not (folder / "journal.log").exists() or len(load(folder).trials) < trials:
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    return [pid for foreman in children(process.pid) for pid in children(foreman)]


@pytest.mark.parametrize("wrong", ["0", "two"])
def test_a_wrong_number_of_jobs_is_one_line_and_leaves_nothing(wrong: str, tmp_path: Path) -> None:
    code, said = typed("tune", *WORK[:-1], f"jobs={wrong}", cwd=tmp_path)
    assert code == 2
    assert said.startswith(f"error: jobs={wrong}: null for one worker per core, or a number of workers")
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_sqlite_takes_one_process(tmp_path: Path) -> None:
    code, said = typed("tune", *WORK, "storage=sqlite:///tune.db", cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("error: jobs=2: SQLite is for one process only")


def test_another_number_of_workers_goes_on_with_a_study(tmp_path: Path) -> None:
    for jobs in ("1", "2"):
        assert len(run_tuning(tmp_path, "n_trials=1", "retrain=false", f"jobs={jobs}").trials) == 1


@pytest.mark.slow
def test_two_workers_reach_the_total_and_one_more_ends_the_study(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert typed("tune", *WORK, "n_trials=5", cwd=tmp_path) == (0, "")
    folder = tmp_path / "outputs" / "tune" / "dense5"
    study = load(folder)
    assert finished(study) == len(study.trials) == len({tuple(trial.params.items()) for trial in study.trials}) == 5
    assert len({trial.user_attrs["worker"] for trial in study.trials}) == 2
    assert (folder / f"trial_{study.best_trial.number}" / "results.json").exists()
    assert "5 trials finished" in (folder / "report.md").read_text().replace("\\", "")
    said = capfd.readouterr().out
    assert "5/5  trial" in said
    assert "settings: " in said


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_trial_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "tune" / "dense5"
    process = start(tmp_path, *WORK, *LONG, module="tune")
    os.kill(when_running(process, folder, trials=3)[0], signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "was ended by SIGKILL; another takes its place" in out
    study = load(folder)
    assert finished(study) == 6
    assert [trial.state for trial in study.trials].count(TrialState.FAIL) == len(study.trials) - 6 <= 1
    assert not [trial for trial in study.trials if trial.state == TrialState.RUNNING]
    assert (folder / "report.html").exists()


@pytest.mark.slow
def test_ctrl_c_ends_all_workers_and_keeps_what_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "tune" / "dense5"
    process = start(tmp_path, *WORK, *LONG, module="tune")
    workers = when_running(process, folder, trials=4)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err == "stopped by Ctrl-C; to go on, type the same again\n"
    assert wait_for_end(workers, 5) == []
    assert not [trial for trial in load(folder).trials if trial.state == TrialState.RUNNING]
    assert (folder / "best.yaml").exists()
