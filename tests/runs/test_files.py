"""Files that are whole or absent."""

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest

from dnnx.basics.errors import UserError
from dnnx.runs.files import HOST, naming, own_folder, remove_empty, write_atomic, write_json, write_text


def test_text_and_json_are_read_back_unchanged(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "one\n")
    write_json(tmp_path / "a.json", {"x": [1, None, 0.1]})
    assert (tmp_path / "a.txt").read_text() == "one\n"
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [1, None, 0.1]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.txt"]


@pytest.mark.parametrize("death", [RuntimeError, KeyboardInterrupt])
def test_a_death_while_writing_leaves_the_file_unchanged(tmp_path: Path, death: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")

    def die(beside: Path) -> None:
        assert beside.parent == tmp_path  # on the same disk, so that it can be renamed
        beside.write_text("half")
        raise death

    with pytest.raises(death):
        write_atomic(path, die)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_value_that_json_cannot_hold_leaves_the_file_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, 1)
    with pytest.raises(TypeError):
        write_json(path, {1, 2})
    assert json.loads(path.read_text()) == 1


def test_leftovers_of_a_dead_process_are_removed_and_files_of_a_living_one_kept(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    left, written, foreign = (
        tmp_path / f".a.txt.{HOST}.{dead.pid}.tmp",
        tmp_path / f".a.txt.{HOST}.{os.getppid()}.tmp",
        tmp_path / f".a.txt.elsewhere.{dead.pid}.tmp",
    )
    for path in (left, written, foreign):
        path.write_text("half")
    write_text(tmp_path / "a.txt", "whole")
    assert set(tmp_path.iterdir()) == {tmp_path / "a.txt", written, foreign}


def test_an_error_while_writing_names_the_file(tmp_path: Path) -> None:
    def full(beside: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=r"No space left on device: .*a\.txt"):
        write_atomic(tmp_path / "a.txt", full)


def test_an_error_of_the_disk_without_a_name_gets_one() -> None:
    with pytest.raises(OSError, match="events") as error, naming(Path("events")):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, "events")
    with pytest.raises(OSError, match="other"), naming(Path("events")):
        raise OSError(errno.ENOSPC, "No space left on device", "other")


def test_empty_folders_are_removed_up_to_outputs_and_no_further(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    (outputs / "dense5" / "now").mkdir(parents=True)
    remove_empty(outputs / "dense5" / "now", outputs)
    assert tmp_path.is_dir()
    assert not outputs.exists()
    (outputs / "dense5" / "now").mkdir(parents=True)
    (outputs / "dense5" / "then").touch()
    remove_empty(outputs / "dense5" / "now", outputs)
    assert [path.name for path in (outputs / "dense5").iterdir()] == ["then"]
    (tmp_path / "elsewhere").mkdir()
    remove_empty(tmp_path / "elsewhere", outputs)
    assert (tmp_path / "elsewhere").is_dir()


def test_a_folder_of_a_run_is_no_link_and_no_file(tmp_path: Path) -> None:
    assert own_folder(tmp_path / "a/checkpoints").is_dir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    (tmp_path / "file").touch()
    for name, kind in (("link", "link"), ("dangling", "link"), ("file", "file")):
        with pytest.raises(UserError, match=f"{name}: it is a {kind}; a run writes into its own folders alone"):
            own_folder(tmp_path / name)
    assert not (tmp_path / "absent").exists()
