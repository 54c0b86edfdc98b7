"""Layer statistics: initialization is epoch 0, recorded values are correct, recording changes no result."""

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from commands import compose, measured
from torch import Tensor, nn

from dnnx.runs.read import read_run
from dnnx.tasks.classification import Classification
from dnnx.train import train
from dnnx.training.assemble import build_data, build_module
from dnnx.training.callbacks.layer_statistics import (
    LayerStatistics,
    activation_statistics,
    equal_units,
    layer_statistics,
    with_activations,
)
from dnnx.training.module import ReplicaModule

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


class Conv(nn.Module):
    """A convolution that runs twice, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.output = nn.Linear(2 * 5 * 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(torch.relu(self.norm(self.conv(x))))
        return self.output(x.flatten(-3))


class Rows(nn.Module):
    """An LSTM, which has no batched form and returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 4, batch_first=True)
        self.output = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.lstm(x[:, 0])[0][:, -1])


@pytest.mark.parametrize(("kind", "way"), [(Conv, "batched"), (Conv, "vmap"), (Conv, "loop"), (Rows, "auto")])
def test_in_every_way_a_layer_gives_what_it_gives_in_the_network_alone(kind: type[nn.Module], way: str) -> None:
    module = ReplicaModule(kind, Classification(), [3, 7], (2, 5, 5), way=way)
    x = torch.randn(6, 2, 5, 5)
    module.eval()(x)  # the first batch settles the way
    used = module.replicas.way
    outputs, activations = with_activations(module, x)
    assert module.replicas.way == used
    assert len(activations) == 1
    for r in range(2):
        net = module.replicas.network(r).eval()
        seen: list[Tensor] = []
        [name] = activations
        keep = partial(lambda outs, layer, given, out: outs.append(out[0] if isinstance(out, tuple) else out), seen)
        net.get_submodule(name).register_forward_hook(keep)
        torch.testing.assert_close(outputs[r], net(x), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(activations[name][r], seen[-1].flatten(1), rtol=1e-5, atol=1e-5)


class Noisy(Conv):
    """Its forward draws random numbers, so that the draws of a step depend on the steps before."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(x, 0.2, self.training))


def test_the_statistics_of_epoch_0_leave_weights_buffers_and_random_draws_as_they_were() -> None:
    module = ReplicaModule(Noisy, Classification(), [3, 7], (2, 5, 5))
    x, y = torch.randn(6, 2, 5, 5), torch.arange(6) % 3
    module(x)
    assert module.replicas.draws
    before = {name: value.clone() for name, value in module.state_dict().items()}
    training: Any = SimpleNamespace(current_epoch=0, val_dataloaders=[(x, y)])
    LayerStatistics().on_train_start(training, module)
    assert "conv/gradient_norm" in module.epoch_metrics
    assert before.keys() >= {"replicas.steps", "replicas.net.norm.num_batches_tracked"}
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
