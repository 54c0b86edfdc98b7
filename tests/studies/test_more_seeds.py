"""A finished run takes more seeds: none is trained twice, none of its bytes change, and any death is gone on from."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from commands import measured, typed
from safetensors.numpy import load_file

from dnnx import api
from dnnx.runs import shard_files
from dnnx.studies.study import SEEN
from dnnx.training.callbacks.record import Record

TINY = ("+exp=dense5", "data.source=digits", "~callbacks.progress", "trainer.max_epochs=2", "net.hidden=[8,8]",
        "trainer.accelerator=cpu", "callbacks.checkpoint.every_s=0")  # fmt: skip
LATEST = "outputs/dense5/latest"


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(cwd: Path, *words: str) -> Path:
    """Type a training, which must succeed; return its run folder."""
    assert typed("train", *words, cwd=cwd) == (0, "")
    return (cwd / LATEST).resolve()


def refused(cwd: Path, *words: str) -> str:
    """Type a training that must fail in one line; return the line."""
    code, said = typed("train", *words, cwd=cwd)
    assert code == 2
    assert said.count("\n") == 1
    return said


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a run of two seeds was made."""
    cwd = tmp_path_factory.mktemp("first")
    run(cwd, *TINY, "seeds=2")
    return cwd


@pytest.fixture(scope="module")
def grown(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run with two seeds more."""
    cwd = tmp_path_factory.mktemp("grown")
    shutil.copytree(first, cwd, symlinks=True, dirs_exist_ok=True)
    run(cwd, f"resume={LATEST}", "seeds=4")
    return cwd


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    return lambda cwd: Path(shutil.copytree(cwd, tmp_path / "copy", symlinks=True))


def test_the_first_seeds_files_move_and_no_byte_of_them_changes(first: Path, grown: Path) -> None:
    before, after = contents((first / LATEST).resolve()), contents((grown / LATEST / "shards/0-1").resolve())
    assert after == before


def test_two_seeds_then_two_more_are_two_shards_made_at_once_bit_for_bit(grown: Path, tmp_path: Path) -> None:
    at_once = run(tmp_path, *TINY, "seeds=4", "shard=[0,1]")
    run(tmp_path, f"resume={LATEST}", "shard=[2,3]")
    later = (grown / LATEST).resolve()
    assert measured(results(later)) == measured(results(at_once))
    for file in ("model.safetensors", "predictions.safetensors", "data.json"):
        assert (later / file).read_bytes() == (at_once / file).read_bytes()
    saved = [yaml.safe_load((folder / "config.yaml").read_text()) for folder in (later, at_once)]
    assert [config.pop("resume") for config in saved]
    assert saved[0] == saved[1]


@pytest.mark.parametrize("words", [["seeds=4"], ["seeds=[3,1]"], ["seeds=1"], []])
def test_seeds_that_are_there_train_nothing_and_change_nothing(grown: Path, words: list[str]) -> None:
    before = contents(grown)
    run(grown, f"resume={LATEST}", *words)
    assert contents(grown) == before


def test_fewer_seeds_change_nothing_in_a_run_without_shards(first: Path) -> None:
    before = contents(first)
    run(first, f"resume={LATEST}", "seeds=[1]")
    assert contents(first) == before


def test_a_run_of_shards_is_evaluated_compared_and_loaded(grown: Path) -> None:
    assert typed("evaluate", f"run={LATEST}", cwd=grown) == (0, "")
    assert typed("compare", LATEST, "--out", str(grown / "report"), cwd=grown)[0] == 0
    made = api.load(grown / LATEST)
    assert isinstance(made, api.Run)
    assert made.seeds == [0, 1, 2, 3]
    own = load_file(grown / LATEST / "shards/2-3/model.safetensors")
    for name, value in made.network(3).state_dict().items():
        assert np.array_equal(value.numpy(), own[name][1])


def test_seeds_are_added_to_a_run_of_shards_again(grown: Path, copy_of: Callable[[Path], Path]) -> None:
    cwd = copy_of(grown)
    before = contents(cwd / LATEST / "shards")
    folder = run(cwd, f"resume={LATEST}", "seeds=[9,3]")
    assert results(folder)["seeds"] == [0, 1, 2, 3, 9]
    after = contents(folder / "shards")
    assert {name: after[name] for name in before} == before
    assert run(cwd, f"resume={LATEST}") == folder


def test_the_copied_folder_of_another_run_is_joined(first: Path, copy_of: Callable[[Path], Path], grown: Path) -> None:
    cwd = copy_of(first)
    (cwd / "elsewhere").mkdir()
    elsewhere = run(cwd / "elsewhere", *TINY, "seeds=[2,3]")
    folder = (cwd / LATEST).resolve()
    shutil.copytree(elsewhere, folder / "shards/from_elsewhere")
    run(cwd, f"resume={LATEST}")
    assert measured(results(folder)) == measured(results((grown / LATEST).resolve()))


def test_more_epochs_are_trained_in_each_shard(grown: Path, copy_of: Callable[[Path], Path], tmp_path: Path) -> None:
    cwd = copy_of(grown)
    folder = run(cwd, f"resume={LATEST}", "trainer.max_epochs=3")
    assert results(folder)["epoch/last"] == [3, 3, 3, 3]
    (tmp_path / "long").mkdir()
    longer = run(tmp_path / "long", *TINY, "trainer.max_epochs=3", "seeds=[2,3]")
    assert measured(results(folder / "shards/2-3")) == measured(results(longer))
    assert yaml.safe_load((folder / "config.yaml").read_text())["trainer"]["max_epochs"] == 3


class Death(BaseException):
    """Stands for SIGKILL: nothing of dnnx catches it."""


def die_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Die before the change of a file with this number: a rename, the writing of a whole file, or a removal."""
    left = [step]

    def dying(act: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Death
            return act(*arguments, **named)

        return wrapped

    monkeypatch.setattr(os, "replace", dying(os.replace))
    monkeypatch.setattr(Path, "unlink", dying(Path.unlink))


@pytest.fixture(scope="module")
def trained(first: Path, grown: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of two seeds with the shard of two more beside it, which nothing has joined yet."""
    cwd = tmp_path_factory.mktemp("trained")
    shutil.copytree(first, cwd, symlinks=True, dirs_exist_ok=True)
    shutil.copytree(grown / LATEST / "shards/2-3", cwd / LATEST / "shards/2-3")
    return cwd


STEPS = 31


@pytest.mark.parametrize("step", [pytest.param(n, marks=pytest.mark.slow) if n % 4 else n for n in range(STEPS)])
def test_a_death_at_any_step_of_joining_is_gone_on_from(
    trained: Path, grown: Path, copy_of: Callable[[Path], Path], step: int
) -> None:
    cwd = copy_of(trained)
    with pytest.MonkeyPatch.context() as patch:
        die_at(patch, step)
        with pytest.raises(Death):
            typed("train", f"resume={LATEST}", cwd=cwd)
    folder = run(cwd, f"resume={LATEST}")
    after, expected = contents(folder), contents((grown / LATEST).resolve())
    assert after.keys() == expected.keys()
    assert {name for name in after if after[name] != expected[name]} <= {"config.yaml"}  # the word resume


def test_the_steps_of_a_join_are_all_tried(trained: Path, copy_of: Callable[[Path], Path]) -> None:
    cwd = copy_of(trained)
    with pytest.MonkeyPatch.context() as patch:
        die_at(patch, STEPS)
        assert typed("train", f"resume={LATEST}", cwd=cwd) == (0, "")


def test_a_death_in_the_training_of_more_seeds_is_gone_on_from(
    first: Path, grown: Path, copy_of: Callable[[Path], Path]
) -> None:
    cwd = copy_of(first)
    before = contents((cwd / LATEST).resolve())
    with pytest.MonkeyPatch.context() as patch:
        write = Record._write

        def dying(self: Record, epoch: int, *arguments: Any) -> None:
            if epoch == 2:
                raise Death
            write(self, epoch, *arguments)

        patch.setattr(Record, "_write", dying)
        with pytest.raises(Death):
            typed("train", f"resume={LATEST}", "seeds=4", cwd=cwd)
    now = contents((cwd / LATEST).resolve())
    assert {name: now[name] for name in before} == before  # until they are joined, the run is as it was
    folder = run(cwd, f"resume={LATEST}")
    assert measured(results(folder)) == measured(results((grown / LATEST).resolve()))


def edit(path: Path, change: Callable[[dict], Any]) -> None:
    found = yaml.safe_load(path.read_text())
    change(found)
    path.write_text(yaml.safe_dump(found) if path.suffix == ".yaml" else json.dumps(found))


def other_config(shard: Path) -> None:
    edit(shard / "config.yaml", lambda config: config["net"].update(hidden=[8, 9]))


def other_data(shard: Path) -> None:
    edit(shard / "data.json", lambda data: data.update(files={"digits": "0" * 64}))


def other_version(shard: Path) -> None:
    edit(shard / "environment.json", lambda facts: facts.update(dnnx="0.0.9"))


def same_seed(shard: Path) -> None:
    shutil.copytree(shard, shard.with_name("again"))


def other_results(shard: Path) -> None:
    edit(shard / "results.json", lambda values: values.update(seeds=[2, 7]))


def without(name: str) -> Callable[[Path], None]:
    return lambda shard: (shard / name).unlink()


def torn(shard: Path) -> None:
    (shard / "model.safetensors").write_bytes((shard / "model.safetensors").read_bytes()[:500])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (other_config, "shards/2-3: it has another config than the run: net.hidden ([8, 9] there, [8, 8] here)"),
        (other_data, "shards/2-3: its data "),
        (other_version, "shards/2-3: it was trained by dnnx 0.0.9, "),
        (same_seed, "shards/again: its seed 2 is in "),
        (other_results, "shards/2-3: its results.json is of the seeds [2, 7], its config.yaml of [2, 3]"),
        (without("config.yaml"), "shards/2-3: it holds no config.yaml, so it is no whole shard"),
        (without("data.json"), "shards/2-3: data.json is missing, so it is no whole shard"),
        (without("model.safetensors"), "shards/2-3: model.safetensors is missing, so it is no whole shard"),
        (torn, "shards/2-3/model.safetensors: not readable as safetensors"),
    ],
)
def test_a_shard_that_does_not_belong_to_the_run_is_refused_in_one_line(
    trained: Path, copy_of: Callable[[Path], Path], damage: Callable[[Path], None], says: str
) -> None:
    cwd = copy_of(trained)
    damage((cwd / LATEST / "shards/2-3").resolve())
    before = contents(cwd)
    assert says in refused(cwd, f"resume={LATEST}")
    assert contents(cwd) == before


def test_a_shard_that_another_process_trains_is_left_to_it(first: Path, copy_of: Callable[[Path], Path]) -> None:
    import fcntl

    cwd = copy_of(first)
    shard = (cwd / LATEST / "shards/2-3").resolve()
    shard.mkdir(parents=True)
    handle = os.open(shard, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert "another process is writing there" in refused(cwd, f"resume={LATEST}", "seeds=4")
    os.close(handle)
    assert shard_files.folders((cwd / LATEST).resolve()) == []


@pytest.mark.slow
def test_a_study_takes_more_seeds_in_every_arm_and_keeps_them_in_its_declaration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["+exp=bn_vs_plain", *TINY[1:], "net.hidden=[8,8]", "jobs=1"]
    assert typed("train", *words, "seeds=2", cwd=tmp_path)[0] == 0
    study = (tmp_path / "outputs/bn_vs_plain/latest").resolve()
    before = {arm: contents(study / arm) for arm in ("plain", "bn")}
    assert typed("train", f"resume={study}", "seeds=1", cwd=tmp_path)[0] == 0
    assert {arm: contents(study / arm) for arm in before} == before
    assert SEEN not in capsys.readouterr().out
    assert typed("train", f"resume={study}", "seeds=4", cwd=tmp_path)[0] == 0
    assert capsys.readouterr().out.count(SEEN) == 1
    for arm, own in before.items():
        assert contents(study / arm / "shards/0-1") == own
        assert results(study / arm)["seeds"] == [0, 1, 2, 3]
    assert json.loads((study / "study.json").read_text())["overrides"][-1] == "seeds=4"
    assert "n = 4 seeds" in (study / "report.md").read_text()
    after = {arm: contents(study / arm) for arm in before}
    assert typed("train", f"resume={study}", cwd=tmp_path)[0] == 0
    assert {arm: contents(study / arm) for arm in before} == after
