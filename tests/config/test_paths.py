"""The folder of a new run is its own, and the empty ones that killed processes left are removed."""

import os
import time
from pathlib import Path

from omegaconf import DictConfig

from dnnx.config.paths import STARTING_S, run_folder


def made(outputs: Path, name: str, age_s: float) -> Path:
    """Make a folder in outputs/mine that is so old."""
    folder = outputs / "mine" / name
    folder.mkdir(parents=True)
    os.utime(folder, (time.time() - age_s,) * 2)
    return folder


def test_a_new_run_removes_the_empty_folders_of_killed_ones_and_nothing_else(tmp_path: Path) -> None:
    left = made(tmp_path, "2026-01-02_03-04-05_2", STARTING_S + 9)
    starting = made(tmp_path, "2026-01-02_03-04-06", STARTING_S - 9)
    others = made(tmp_path, "notes", STARTING_S + 9)
    full = made(tmp_path, "2026-01-02_03-04-07", 0)
    (full / "results.json").touch()
    os.utime(full, (time.time() - 2 * STARTING_S,) * 2)
    link = tmp_path / "mine" / "2026-01-02_03-04-08"
    link.symlink_to(starting)
    os.utime(link, (0, 0), follow_symlinks=False)
    new = run_folder(DictConfig({"resume": None, "paths": {"outputs": str(tmp_path)}, "name": "mine"}))
    assert not left.exists()
    assert {*(tmp_path / "mine").iterdir()} == {starting, others, full, link, new}


def test_two_runs_of_one_second_have_two_folders(tmp_path: Path) -> None:
    cfg = DictConfig({"resume": None, "paths": {"outputs": str(tmp_path)}, "name": "mine"})
    assert len({run_folder(cfg) for _ in range(5)}) == 5
