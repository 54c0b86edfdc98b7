"""The link `latest` names the newest folder, and after a failure without results the newest that has some."""

from pathlib import Path

import pytest

from dnnx.runs.latest import leave_failed, link_latest


def make(folder: Path, *results: str) -> Path:
    """Make a run or study folder with these files, and point `latest` to it."""
    folder.mkdir(parents=True)
    for name in results:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    link_latest(folder)
    return folder


def test_latest_points_to_the_newest_and_survives_a_move(tmp_path: Path) -> None:
    for name in ("first", "second"):
        make(tmp_path / "outputs" / name)
    (tmp_path / "outputs/second/results.json").write_text("{}")
    (tmp_path / "outputs").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "latest").resolve().name == "second"
    assert (tmp_path / "moved" / "latest" / "results.json").exists()
    assert sorted(path.name for path in (tmp_path / "moved").iterdir()) == ["first", "latest", "second"]


@pytest.mark.parametrize("results", ["results.json", "bn/results.json"])
def test_latest_leaves_a_failure_for_the_newest_run_or_study_with_results(tmp_path: Path, results: str) -> None:
    make(tmp_path / "1", "results.json")
    good = make(tmp_path / "2", results)
    make(tmp_path / "3")
    assert leave_failed(make(tmp_path / "4")) == good
    assert (tmp_path / "latest").resolve() == good


def test_latest_stays_where_there_is_nothing_better(tmp_path: Path) -> None:
    failed = make(tmp_path / "1")
    assert leave_failed(failed) is None, "no other folder has results"
    good = make(tmp_path / "2", "bn/results.json")
    assert leave_failed(failed) is None, "it is another folder's"
    assert leave_failed(good) is None, "it has results"
    assert (tmp_path / "latest").resolve() == good
