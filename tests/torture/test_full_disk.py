"""A disk that is full or read-only: one line and exit code 2, what was there is whole, and a resume goes on."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from torture.forks import STUDY, draw_little, place, run
from torture.moments import full_from, no_space_from
from torture.study import Whole, differences
from torture.tries import FULL, Tries


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_a_resume_with_room_ends_as_if_it_never_was(
    whole: Whole,
    tmp_path: Path,
    tries: Tries,
) -> None:
    rng, num = random.Random(tries.seed), tries.number(1, 12)
    chosen = [((full_from, no_space_from)[i % 2], rng.randint(1, int(0.8 * len(whole.places)))) for i in range(num)]
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        jobs = [pool.submit(fill_and_resume, whole, tmp_path / str(i), *fault) for i, fault in enumerate(chosen)]
    wrong = [told for job in jobs for told in job.result()]
    tries.count("disk full in a study, then resume= with room", num, wrong)
    assert not wrong, "\n".join(wrong)


def fill_and_resume(whole: Whole, folder: Path, fill: Callable[[int], None], n: int) -> list[str]:
    """Return the faults after the disk was full and had room again."""
    place(folder)
    fault = f"{fill.__name__}({n}) at {whole.places[n - 1]}"
    code, told = run(*STUDY, cwd=folder, before=partial(fill, n))
    if code != 2 or "Traceback" in told or "error: " not in told:
        return [f"{fault}: exit code {code}: {told}"]
    study = next(folder.glob("outputs/torture/2*/study.json"), None)
    code, told = run(*(("train", f"resume={study.parent}") if study else STUDY), cwd=folder, before=draw_little)
    return [f"{fault}, resumed: {line}" for line in ([told] if code else differences(whole.folder, folder))]


@pytest.mark.parametrize("command", [("train",), ("compare",), ("evaluate",)])
def test_a_folder_that_cannot_be_written_is_one_line(
    whole: Whole,
    tmp_path: Path,
    command: tuple[str],
    tries: Tries,
) -> None:
    folder = place(tmp_path / "here")
    shutil.copytree(whole.folder / "outputs", folder / "outputs", symlinks=True)
    (folder / "file").write_text("a file is where a folder should be")
    latest = "outputs/torture/latest"
    arguments = {
        "train": [*STUDY[1:], "paths.outputs=file"],
        "compare": [latest, "--out", "file/report"],
        "evaluate": [f"run={latest}/plain", "data_root=file"],
    }[command[0]]
    refused(folder, command[0], *arguments)
    tries.count("a folder that cannot be written", 1)
    assert differences(whole.folder, folder) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A place whose outputs are on a disk of 1 MB."""
    folder = place(tmp_path / "here")
    (folder / "outputs").mkdir()
    if mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder / "outputs")):
        pytest.skip("only root may mount a disk")
    yield folder
    subprocess.run(["umount", folder / "outputs"], check=True)


def mount(*arguments: str) -> int:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode


@pytest.mark.skipif(not FULL, reason="make torture runs it")
def test_a_small_disk_then_a_read_only_one_then_a_large_one(whole: Whole, small_disk: Path, tries: Tries) -> None:
    told = refused(small_disk, *STUDY)
    assert "No space left on device" in told
    study = next(small_disk.glob("outputs/torture/2*/study.json")).parent
    kept = {path: path.read_bytes() for path in small_disk.rglob("*") if path.is_file() and path.name != "log"}
    assert mount("-o", "remount,ro", str(small_disk / "outputs")) == 0
    told = refused(small_disk, "train", f"resume={study}")
    assert "Read-only file system" in told
    assert kept == {path: path.read_bytes() for path in kept}
    assert mount("-o", "remount,rw,size=64m", str(small_disk / "outputs")) == 0
    code, told = run("train", f"resume={study}", cwd=small_disk, before=draw_little)
    assert code == 0, told
    assert differences(whole.folder, small_disk) == []
    tries.count("a small disk, then a read-only one", 2)


def refused(folder: Path, *command: str) -> str:
    """Return the output of a command that must end with exit code 2 and no traceback."""
    code, told = run(*command, cwd=folder, before=draw_little)
    assert code == 2, told
    assert "Traceback" not in told
    return told
