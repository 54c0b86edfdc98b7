"""A run is the union of its shards: trained in parts, at other times and elsewhere, it is the run of all its seeds."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import compose, measured
from omegaconf import DictConfig
from safetensors.numpy import load_file

from dnnx.basics.errors import UserError
from dnnx.config import resume
from dnnx.config.run_shards import find
from dnnx.runs.files import write_text
from dnnx.runs.read import read_run
from dnnx.train import train

TINY = ["+exp=dense5", "data.source=digits", "~callbacks.progress", "trainer.max_epochs=3", "net.hidden=[12,12]",
        "trainer.accelerator=cpu"]  # fmt: skip
CLOSE = 3e-6  # what another number of replicas in a batch may change by rounding, after three epochs


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that trains the jobs of one run, each given by its overrides, in a new folder."""

    def run(*jobs: str) -> Path:
        folder = tmp_path_factory.mktemp("run")
        for job in jobs:
            train(compose(*TINY, *job.split()), folder)
        return folder

    return run


@pytest.fixture(scope="module")
def joined(make: Callable[..., Path]) -> Path:
    """Four seeds, trained as two shards by two jobs."""
    return make("seeds=4 shard=[0,1]", "seeds=4 shard=[2,3]")


@pytest.fixture(scope="module")
def whole(make: Callable[..., Path]) -> Path:
    """The same four seeds in one batch."""
    return make("seeds=4")


@pytest.fixture
def copy(joined: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(joined, tmp_path / "copy"))


def test_two_shards_are_one_batch_of_all_seeds_but_for_rounding(joined: Path, whole: Path) -> None:
    ours, theirs = measured(results(joined)), measured(results(whole))
    assert [*ours] == [*theirs]
    assert ours.pop("test/confusion") == theirs.pop("test/confusion")
    for name, values in theirs.items():
        np.testing.assert_allclose(
            np.array(ours[name], dtype=float), np.array(values, dtype=float), rtol=CLOSE, err_msg=name
        )
    assert results(joined)["about"] == results(whole)["about"]


@pytest.mark.parametrize("file", ["model.safetensors", "predictions.safetensors"])
def test_weights_and_predictions_are_those_of_one_batch(joined: Path, whole: Path, file: str) -> None:
    ours, theirs = load_file(joined / file), load_file(whole / file)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name].dtype == value.dtype
        np.testing.assert_allclose(ours[name], value, atol=CLOSE, err_msg=name)


def test_curves_are_in_the_order_of_one_batch(joined: Path, whole: Path) -> None:
    ours, theirs = (pd.read_csv(folder / "metrics.csv") for folder in (joined, whole))
    assert ours.drop(columns="value").equals(theirs.drop(columns="value"))
    measured_rows = ours["split"] != "time"
    np.testing.assert_allclose(ours["value"][measured_rows], theirs["value"][measured_rows], rtol=1e-4)


def test_a_seed_s_values_are_those_of_its_shard(joined: Path) -> None:
    run = results(joined)
    for first, shard in ((0, "0-1"), (2, "2-3")):
        own = results(joined / "shards" / shard)
        names = [name for name in own if name != "about" and not name.startswith("ensemble/")]
        assert {name: run[name][first : first + 2] for name in names} == {name: own[name] for name in names}


def test_the_run_reads_as_any_run(joined: Path) -> None:
    run = read_run(joined, "joined")
    assert (run.missing, run.broken, run.seeds) == ([], [], [0, 1, 2, 3])
    assert run.config["seeds"] == 4
    assert run.config["shard"] is None


def test_a_shard_is_the_run_of_its_seeds_alone(joined: Path, make: Callable[..., Path]) -> None:
    alone = make("seeds=[2,3]")
    assert measured(results(alone)) == measured(results(joined / "shards/2-3"))
    for file in ("model.safetensors", "predictions.safetensors"):
        assert (alone / file).read_bytes() == (joined / "shards/2-3" / file).read_bytes()


def test_a_shard_of_one_seed_joins(make: Callable[..., Path]) -> None:
    folder = make("seeds=[5,2,9] shard=[2]", "seeds=[5,2,9] shard=[9,5]")
    assert results(folder)["seeds"] == [5, 2, 9]
    assert results(folder / "shards/5,9")["seeds"] == [5, 9]
    weights, alone = (load_file(path / "model.safetensors") for path in (folder, folder / "shards/2"))
    assert all(np.array_equal(value[1], alone[name][0]) for name, value in weights.items())


def test_shards_of_which_every_seed_diverged_join(make: Callable[..., Path]) -> None:
    folder = make(*(f"optimizer=sgd optimizer.lr=1e12 seeds=2 shard=[{seed}]" for seed in (0, 1)))
    found = results(folder)
    assert found["epoch/diverged"] == [1, 1]
    assert found["test/accuracy"] == [None, None]
    assert not read_run(folder, "run").missing


def test_shards_that_are_there_are_not_trained_again(copy: Path) -> None:
    before = contents(copy)
    train(compose(*TINY, "seeds=4", "shard=[1,2]"), copy)
    train(compose(*TINY, "seeds=4"), copy)
    assert contents(copy) == before


def test_joining_reads_each_shard_s_config_once(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Joining 1,000 shards takes as long as reading their configs; more often would be minutes."""
    read: list[Path] = []

    def load(folder: Path, *arguments: Any) -> DictConfig:
        read.append(folder)
        return load_config(folder, *arguments)

    load_config = resume.load_config
    (copy / "results.json").unlink()
    monkeypatch.setattr(resume, "load_config", load)
    train(compose(*TINY, "seeds=4"), copy)
    assert [read.count(copy / "shards" / name) for name in ("0-1", "2-3")] == [1, 1]
    assert results(copy)["seeds"] == [0, 1, 2, 3]


def test_a_shard_that_changed_since_is_read_again(copy: Path) -> None:
    cfg = compose(*TINY, "seeds=4")
    known = find(cfg, copy)
    path = known[0].folder / "config.yaml"
    write_text(path, path.read_text().replace("- 0\n- 1\n", "- 1\n- 0\n"))
    assert [shard.seeds for shard in find(cfg, copy, known)] == [[1, 0], [2, 3]]
    assert find(cfg, copy, known)[1] is known[1]


def test_a_run_of_some_shards_is_not_finished_and_goes_on(joined: Path, make: Callable[..., Path]) -> None:
    folder = make("seeds=4 shard=[0,1]")
    assert not (folder / "results.json").exists()
    train(compose(*TINY, "seeds=4"), folder)
    assert measured(results(folder)) == measured(results(joined))


@pytest.mark.parametrize(
    ("shard", "says"),
    [
        ("[0,4]", "seed 4 is none of seeds=4"),
        ("[0,0]", "different whole numbers"),
        ("3", "3: a list of seeds, for example shard=.3,7."),
        ("x", "different whole numbers"),
    ],
)
def test_a_shard_of_seeds_that_are_not_the_run_s_is_refused(tmp_path: Path, shard: str, says: str) -> None:
    with pytest.raises(UserError, match=rf"^shard=.*{says}"):
        train(compose(*TINY, "seeds=4", f"shard={shard}"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_trained_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^data\.batch_size"):
        train(compose(*TINY, "seeds=4", "shard=[0,1]", "data.batch_size=100000"), tmp_path)
    assert [*tmp_path.iterdir()] == []
