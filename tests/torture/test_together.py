"""Several commands at once: none spoils what another writes."""

import shutil
import time
from pathlib import Path

import pytest
from torture.forks import CONF, STUDY, draw_little, place, run, start
from torture.study import Whole, at_changes, differences
from torture.tries import FULL, Tries
from tuning_sweeps import load


@pytest.mark.skipif(not FULL, reason="make torture runs it")
def test_two_studies_at_once_and_two_first_users_of_one_cache(
    whole: Whole,
    tmp_path: Path,
    tries: Tries,
) -> None:
    """Begun in one second, with one outputs folder and data that is not decoded yet: each is the undisturbed one."""
    num = 2
    for i in range(num):
        folder = place(tmp_path / str(i))
        both = [start(*STUDY, cwd=folder, before=draw_little, log=f"log{i}") for i in range(2)]
        for process in both:
            process.join()
        told = [(folder / f"log{i}").read_text() for i in range(2)]
        assert [process.exitcode for process in both] == [0, 0], told
        studies = sorted(path for path in (folder / "outputs/torture").iterdir() if not path.is_symlink())
        assert len(studies) == 2, told
        for study in studies:
            (folder / "outputs/torture/latest").unlink()
            (folder / "outputs/torture/latest").symlink_to(study.name)
            assert differences(whole.folder, folder) == []
    tries.count("two studies at once, one outputs folder, one cache", num)


@pytest.mark.slow
def test_two_spaces_begun_at_once_under_one_name(tmp_path: Path, tries: Tries) -> None:
    """One of them is the study; the other is told so in one line, and no trial is of two spaces."""
    shutil.copytree(CONF / "sweep", tmp_path / "mine/sweep")
    other = (tmp_path / "mine/sweep/tiny.yaml").read_text().replace("range(4,20,4)", "range(20,40,4)")
    (tmp_path / "mine/sweep/other.yaml").write_text(other)
    num = tries.number(1, 6)
    for i in range(num):
        words = ("--config-dir", "../mine", "+exp=dense5", "n_trials=2", "seeds=1", "retrain=false")
        (folder := tmp_path / str(i)).mkdir()
        both = [
            start("tune", *words, f"+sweep={sweep}", cwd=folder, before=draw_little, log=sweep)
            for sweep in ("tiny", "other")
        ]
        for process in both:
            process.join()
        told = {sweep: (folder / sweep).read_text() for sweep in ("tiny", "other")}
        assert sorted(process.exitcode or 0 for process in both) == [0, 2], told
        refused = told["tiny" if both[0].exitcode else "other"]
        assert "that study was begun with another search" in refused
        assert refused.count("error: ") == 1
        assert "Traceback" not in told["tiny"] + told["other"]
        widths = {trial.params["width"] < 20 for trial in load(folder / "outputs/tune/dense5").trials}
        assert widths == {both[0].exitcode == 0}
    tries.count("two spaces begun at once under one name", num)


def wait_at_second_arm() -> None:
    """Stands still, when the second arm begins, until the file `go` is there."""

    def act(i: int, event: str, path: str) -> None:
        if path.endswith("/bn/checkpoints"):
            Path("waits").touch()
            while not Path("go").exists():
                time.sleep(0.05)

    draw_little()
    at_changes(act)


@pytest.mark.slow
def test_a_report_on_a_running_study_and_a_second_writer(
    whole: Whole,
    tmp_path: Path,
    tries: Tries,
) -> None:
    folder = place(tmp_path)
    running = start(*STUDY, cwd=folder, before=wait_at_second_arm)
    while not (folder / "waits").exists():
        assert running.is_alive(), (folder / "log").read_text()
        time.sleep(0.05)
    reported = run("compare", "outputs/torture/latest", "--out", "out", cwd=folder, before=draw_little, log="compared")
    refused = [
        run("train", f"resume=outputs/torture/latest{arm}", cwd=folder, before=draw_little, log="refused")
        for arm in ("", "/bn")
    ]
    (folder / "go").touch()
    running.join()
    assert running.exitcode == 0
    assert reported[0] == 0, reported[1]
    assert "bn" in (folder / "out" / "report.md").read_text()
    for code, told in refused:
        assert code == 2, told
        assert "another process is writing there" in told
        assert "Traceback" not in told
    assert differences(whole.folder, folder) == []
    tries.count("a report on a running study, a second writer of a study and of an arm", 3)
