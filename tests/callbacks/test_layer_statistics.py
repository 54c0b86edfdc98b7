"""Layer statistics: initialization is epoch 0, what is recorded is true, and looking changes nothing."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from commands import compose, measured

from dnnx.callbacks.layer_statistics import activation_statistics
from dnnx.modules.classifier import Classifier
from dnnx.studies.runs import read_run
from dnnx.train import train

NET = ["net.hidden=[12,11]", "net.norm=batch", "net.dropout=0.3"]
SMALL = ["+exp=dense5", "+debug=smoke", *NET, "callbacks.progress._target_=lightning.pytorch.Callback"]


def run(folder: Path, *overrides: str) -> pd.DataFrame:
    train(compose(*SMALL, "trainer.max_epochs=2", *overrides), folder)
    return pd.read_csv(folder / "metrics.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs") / "run"
    run(folder, "callbacks=layer_statistics")
    return folder


def test_epoch_0_has_the_activations_of_every_layer_and_seed_and_nothing_else(folder: Path) -> None:
    table = pd.read_csv(folder / "metrics.csv")
    assert not table.duplicated(["epoch", "split", "metric", "seed"]).any()
    start = table[table.epoch == 0]
    found = {(row.split, row.metric, row.seed) for row in start.itertuples()}
    names = ("activation_mean", "activation_std", "dead_units")
    assert found == {(f"hidden_layers.{i}", name, seed) for i in range(2) for name in names for seed in range(2)}
    assert set(table[table.epoch > 0].epoch) == {1, 2}


def test_epoch_0_is_the_initial_network_in_training_mode(folder: Path) -> None:
    cfg = compose(*SMALL)
    from dnnx.build import build_data

    data = build_data(cfg, [0, 1])
    module = Classifier(64, 5, dict(cfg.net), [0, 1]).train()
    x = data.splits["val"][0][:1024]
    expected = activation_statistics(module(x, return_activations=True)[1]["hidden_layers.1"])
    table = read_run(folder, "run").through_depth(["hidden_layers.1"], "activation_std", pd.Series({0: 0, 1: 0}))
    assert table.loc["hidden_layers.1"].tolist() == pytest.approx(expected["activation_std"].tolist(), rel=1e-5)  # type: ignore


def test_looking_changes_no_result(folder: Path, tmp_path: Path) -> None:
    unseen = run(tmp_path / "run")
    assert 0 not in set(unseen.epoch)
    results = [json.loads((path / "results.json").read_text()) for path in (folder, tmp_path / "run")]
    assert measured(results[0]) == measured(results[1])


def test_a_run_that_goes_on_keeps_epoch_0_once(folder: Path, tmp_path: Path) -> None:
    run(tmp_path / "run", "callbacks=layer_statistics", "trainer.max_epochs=1")
    longer = run(tmp_path / "run", "callbacks=layer_statistics", "trainer.max_epochs=2")
    whole = pd.read_csv(folder / "metrics.csv")
    timeless = [table[table.split != "time"].reset_index(drop=True) for table in (longer, whole)]
    pd.testing.assert_frame_equal(*timeless)  # type: ignore


def test_statistics_are_of_each_seed() -> None:
    activations = torch.randn(2, 500, 8) * torch.tensor([1.0, 3.0])[:, None, None]
    activations[1, :, :2] = 5
    found = activation_statistics(activations)
    assert found["dead_units"].tolist() == [0, 0.25]
    assert found["activation_mean"].tolist() == pytest.approx([0, 1.25], abs=0.2)
    assert found["activation_std"][0].item() == pytest.approx(1, rel=0.05)
