"""Layer statistics: initialization is epoch 0, recorded values are correct, recording changes no result."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from commands import compose, measured

from dnnx.runs.read import read_run
from dnnx.train import train
from dnnx.training.assemble import build_data, build_module
from dnnx.training.callbacks.layer_statistics import activation_statistics, equal_units, layer_statistics

NET = ["net.hidden=[12,11]", "net.norm=batch", "net.dropout=0.3"]
SMALL = ["+exp=dense5", "+debug=smoke", *NET, "~callbacks.progress"]


def run(folder: Path, *overrides: str) -> pd.DataFrame:
    train(compose(*SMALL, "trainer.max_epochs=2", *overrides), folder)
    return pd.read_csv(folder / "metrics.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs") / "run"
    run(folder, "callbacks=layer_statistics")
    return folder


def test_epoch_0_has_the_statistics_of_every_layer_and_seed_and_nothing_else(folder: Path) -> None:
    table = pd.read_csv(folder / "metrics.csv")
    assert not table.duplicated(["epoch", "split", "metric", "seed"]).any()
    start = table[table.epoch == 0]
    found = {(row.split, row.metric, row.seed) for row in start.itertuples()}
    names = ("activation_mean", "activation_std", "dead_units", "equal_units", "gradient_norm")
    assert found == {(f"hidden_layers.{i}", name, seed) for i in range(2) for name in names for seed in range(2)}
    assert set(table[table.epoch > 0].epoch) == {1, 2}


def test_epoch_0_is_the_initial_network_in_training_mode(folder: Path) -> None:
    cfg = compose(*SMALL)
    data = build_data(cfg, [0, 1])
    module = build_module(cfg, data, [0, 1]).train()
    x, y = (values[:1024] for values in data.splits["val"])
    logits, activations = module(x, return_activations=True)
    module.losses(logits, y.expand(2, -1)).mean(1).sum().backward()
    layer = module.replicas.net.get_submodule("hidden_layers.1")
    squares = [p.grad.square().flatten(1).sum(1) for p in layer.parameters() if p.grad is not None]
    expected = activation_statistics(activations["hidden_layers.1"])
    expected |= {"gradient_norm": sum(squares).sqrt()}  # type: ignore[union-attr]
    assert len(squares) == 3
    for name in ("activation_std", "gradient_norm"):
        table = read_run(folder, "run").through_depth(["hidden_layers.1"], name, pd.Series({0: 0, 1: 0}))
        assert table.loc["hidden_layers.1"].tolist() == pytest.approx(expected[name].tolist(), rel=1e-4)  # type: ignore


def test_a_unit_is_dead_where_no_image_of_any_batch_moves_it() -> None:
    first, second = torch.rand(2, 50, 8), torch.rand(2, 30, 8)
    first[:, :, :3] = second[:, :, :2] = 0
    found = layer_statistics({"a": first}, [{"a": first}, {"a": second}], {})
    assert found["a/dead_units"].tolist() == [0.25, 0.25]  # the third unit is moved by the second batch
    assert "a/gradient_norm" not in found


def test_units_with_the_same_output_for_every_image_are_equal() -> None:
    x = torch.rand(2, 100, 6)
    x[0, :, 4] = x[0, :, 1] * 1.0001
    x[1, :, 5] = 1 - x[1, :, 0]  # of equal spread, but not equal
    assert equal_units(x).tolist() == [[False, True, False, False, True, False], [False] * 6]
    assert equal_units(torch.ones(1, 5, 3)).all()
    dead = layer_statistics({"a": torch.ones(1, 5, 3)}, [{"a": torch.ones(1, 5, 3)}], {})
    assert (dead["a/equal_units"], dead["a/dead_units"]) == (0, 1)


def test_one_value_for_all_weights_leaves_all_units_equal_after_training(tmp_path: Path) -> None:
    tanh = ["net.activation=tanh", "net.norm=null", "net.dropout=0", "callbacks=layer_statistics"]
    table = run(tmp_path / "run", *tanh, "net.init=constant")
    assert (table[table.metric == "equal_units"].value == 1).all()
    table = run(tmp_path / "other", *tanh)
    assert (table[table.metric == "equal_units"].value == 0).all()


def test_recording_statistics_changes_no_result(folder: Path, tmp_path: Path) -> None:
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
    assert found["activation_mean"].tolist() == pytest.approx([0, 1.25], abs=0.2)
    assert found["activation_std"][0].item() == pytest.approx(1, rel=0.05)
