"""Shards of runs with a backbone, a searched rate, MC dropout, other tasks, or a LightningModule of one's own."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import compose, measured, typed
from safetensors.numpy import load_file
from tiny_backbone import TINY, make_backbone, transfer

from dnnx.basics.errors import UserError
from dnnx.runs.checksums import of_networks
from dnnx.train import train

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = [*TINY, "trainer.max_epochs=2", "trainer.accelerator=cpu"]


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())


def in_shards(folder: Path, *words: str) -> dict[str, Any]:
    """Train three seeds as the shards of seed 0 and of seeds 1 and 2; return the union's results."""
    for shard in ("[0]", "[1,2]"):
        train(compose(*words, "seeds=3", f"shard={shard}"), folder)
    return results(folder)


def require_close(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert [*ours] == [*theirs]
    for name, values in measured(theirs).items():
        if name != "test/confusion":
            found, expected = np.array(ours[name], dtype=float), np.array(values, dtype=float)
            np.testing.assert_allclose(found, expected, rtol=1e-4, err_msg=name)


@pytest.mark.slow
def test_each_seed_starts_from_its_own_network_of_the_backbone(tmp_path: Path) -> None:
    backbone = make_backbone(tmp_path / "backbone")
    words = [word for word in transfer(backbone) if not word.startswith("seeds=")]
    words += ["techniques.pretrained.frozen=['hidden_layers.*']", "trainer.max_epochs=1"]
    in_shards(tmp_path / "run", *words)
    name = "hidden_layers.0.linear.weight"
    of_run, of_backbone = (load_file(tmp_path / at / "model.safetensors")[name] for at in ("run", "backbone"))
    assert np.array_equal(of_run, of_backbone)
    with pytest.raises(UserError, match=r"^backbone=.*: seed 3 starts from its network of that seed, and it has none"):
        train(compose(*words, "seeds=4", "shard=[3]"), tmp_path / "four")
    assert not (tmp_path / "four").exists()


def test_a_shard_from_a_machine_with_the_backbone_at_another_path_joins(tmp_path: Path) -> None:
    """The networks of the backbone count, not its path; a backbone of other networks is refused."""
    here, there = make_backbone(tmp_path / "here", "seeds=2", "trainer.max_epochs=1"), tmp_path / "there"
    shutil.copytree(here, there)
    other = make_backbone(tmp_path / "other", "seeds=2", "trainer.max_epochs=1", "optimizer.lr=0.01")

    def shard(backbone: Path, seed: int, folder: Path) -> Path:
        words = [word for word in transfer(backbone) if not word.startswith("seeds=")]
        words += ["trainer.max_epochs=1", "seeds=2", f"shard=[{seed}]"]
        train(compose(*words), folder)
        return folder

    run = shard(here, 0, tmp_path / "run")
    for name, backbone in (("wrong", other), ("copied", there)):
        shutil.copytree(shard(backbone, 1, tmp_path / name) / "shards/1", run / "shards/1")
        if name == "wrong":
            with pytest.raises(UserError, match=r"^shard=.*shards/1: it has another config than the run: backbone"):
                shard(here, 1, run)
            shutil.rmtree(run / "shards/1")
    shutil.rmtree(there)
    shard(here, 1, run)
    assert results(run)["seeds"] == [0, 1]
    joined = json.loads((run / "backbone.json").read_text())
    assert joined == of_networks(here, [0, 1])


def test_the_learning_rate_is_searched_once_for_all_shards(tmp_path: Path) -> None:
    words = [*SMALL, "+exp=dense5", "net.hidden=[8,8]", "lr_search=grid", "lr_search.rates=[1e-2,1e-3]",
             "lr_search.epochs=1", "seeds=3"]  # fmt: skip
    train(compose(*words, "shard=[1]"), tmp_path)
    searched = (tmp_path / "lr_search.csv").read_bytes()
    train(compose(*words), tmp_path)
    assert (tmp_path / "lr_search.csv").read_bytes() == searched
    assert set(pd.read_csv(tmp_path / "lr_search.csv")["seed"]) == {0, 1, 2}
    assert results(tmp_path)["seeds"] == [0, 1, 2]


@pytest.mark.slow
def test_mc_dropout_s_ensemble_and_reliability_are_of_all_seeds(tmp_path: Path) -> None:
    words = [*SMALL, "+exp=dense5", "net.hidden=[8,8]", "net.dropout=0.2", "mc_dropout=3"]
    ours = in_shards(tmp_path / "run", *words)
    train(compose(*words, "seeds=3"), tmp_path / "whole")
    require_close(ours, results(tmp_path / "whole"))
    found, expected = (json.loads((tmp_path / at / "reliability.json").read_text()) for at in ("run", "whole"))
    for curve in ("test", "mc", "ensemble"):
        assert sum(found[curve]["images"]) == sum(expected[curve]["images"])
        assert found[curve]["correct"] == pytest.approx(expected[curve]["correct"], abs=1)


@pytest.mark.parametrize("words", [
    ["task=pairs", "net=twin_tower", "data=mnist_pairs", "data.pairs_per_epoch=128", "net.hidden=[8,8]"],
    ["task=reconstruction", "net=autoencoder", "net.hidden=[8,6]"],
    ["data=mnist59", "net.hidden=[8,8]", "data.train_per_class=20", "data.val_per_class=10"],
])  # fmt: skip
def test_shards_of_any_task_join(tmp_path: Path, words: list[str]) -> None:
    ours = in_shards(tmp_path / "run", *SMALL, *words)
    train(compose(*SMALL, *words, "seeds=3"), tmp_path / "whole")
    require_close(ours, results(tmp_path / "whole"))
    found, expected = (load_file(tmp_path / at / "predictions.safetensors") for at in ("run", "whole"))
    assert {name: value.shape for name, value in found.items()} == {n: v.shape for n, v in expected.items()}


@pytest.mark.slow
def test_a_lightning_module_of_one_s_own_takes_more_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(EXAMPLES / "lightning_module.py", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["module._target_=lightning_module.DigitsLitModule", "data._target_=lightning_module.DigitsDataModule",
             "trainer.max_epochs=2", "monitor=val/loss", "~callbacks.progress", "trainer.accelerator=cpu"]  # fmt: skip
    assert typed("train", *words, "seeds=1", "name=more", cwd=tmp_path) == (0, "")
    more = (tmp_path / "outputs/more/latest").resolve()
    again = [f"resume={more}", "packages=[lightning_module]"]
    assert typed("train", *again, "seeds=3", cwd=tmp_path) == (0, "")
    assert typed("train", *words, "seeds=3", "name=whole", cwd=tmp_path) == (0, "")
    whole = (tmp_path / "outputs/whole/latest").resolve()
    assert measured(results(more)) == measured(results(whole))
    assert (more / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    ours, theirs = (pd.read_csv(folder / "metrics.csv") for folder in (more, whole))
    measured_rows = ours["split"] != "time"
    pd.testing.assert_frame_equal(ours[measured_rows], theirs[measured_rows])
    assert typed("evaluate", f"run={more}", "packages=[lightning_module]", cwd=tmp_path) == (0, "")
