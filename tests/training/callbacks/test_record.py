"""The record: metrics.csv is tidy and complete, and goes on after any interruption; TensorBoard shows the same."""

import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from fake_training import FakeTraining
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams.backend_context import Context

from dnnx.basics.errors import UserError
from dnnx.runs.tables import HEADER
from dnnx.training.callbacks import record
from dnnx.training.callbacks.early_stopping import EarlyStopping
from dnnx.training.callbacks.record import Record, log_hparams

SEEDS = [3, 7]
# Seed 3 is out of patience after epoch 3, seed 7 diverges in epoch 4.
LOSSES = [[0.5, 0.75], [0.625, 0.5], [0.75, 0.25], [0.0, math.nan]]


class Clock:
    """Every look at it is a second later."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(record.time, "perf_counter", clock)
    return clock


def training(folder: Path, start: int = 0, after: dict[str, Any] | None = None) -> FakeTraining:
    """Start a new record, or go on from the state of another one."""
    begun = FakeTraining([EarlyStopping(2), Record()], SEEDS, folder, start)
    if after:
        Record.of(begun.trainer).load_state_dict(after)
    return begun


def state(begun: FakeTraining) -> dict[str, Any]:
    return deepcopy(Record.of(begun.trainer).state_dict())


def read(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "metrics.csv")


def test_metrics_csv_has_every_metric_of_every_seed_in_every_epoch_that_counts(tmp_path: Path) -> None:
    training(tmp_path).run(LOSSES)
    table = read(tmp_path)
    assert ",".join(table.columns) + "\n" == HEADER
    names = ["train/loss", "train/accuracy", "val/loss", "val/accuracy", "time/elapsed_s"]
    expected = {
        (epoch, seed, name) for seed, last in ((3, 3), (7, 4)) for epoch in range(1, last + 1) for name in names
    }
    found = [(row.epoch, row.seed, f"{row.split}/{row.metric}") for row in table.itertuples()]
    assert len(found) == len(expected)
    assert set(found) == expected


def test_metrics_csv_has_the_values_in_full(tmp_path: Path) -> None:
    losses = [[0.1, 1 / 3], [1e-9, 12345.678]]
    training(tmp_path).run(losses)
    table = read(tmp_path)
    for r, seed in enumerate(SEEDS):
        rows = table[(table.split == "val") & (table.metric == "loss") & (table.seed == seed)]
        assert rows.value.tolist() == pytest.approx([row[r] for row in losses], rel=1e-7)


def test_elapsed_time_is_that_of_all_epochs_without_the_pauses(tmp_path: Path, clock: Clock) -> None:
    first = training(tmp_path)
    first.run([[0.5, 0.5], [0.4, 0.4]])
    clock.now += 1000
    second = training(tmp_path, start=2, after=state(first))
    second.run([[0.3, 0.3]])
    table = read(tmp_path)
    elapsed = table[(table.metric == "elapsed_s") & (table.seed == 3)]
    assert elapsed.value.tolist() == [1, 2, 3]
    assert Record.of(second.trainer).elapsed_s == [1, 2, 3]


@pytest.mark.parametrize("damage", ["", "1,val,loss,3,-7\n", "\0", "2,val,lo"])
def test_a_resumed_run_goes_on_after_the_rows_of_its_checkpoint_whatever_follows_them(
    tmp_path: Path, damage: str
) -> None:
    first = training(tmp_path)
    first.run([[0.5, 0.5]])
    at_checkpoint = state(first)
    training(tmp_path, start=1, after=at_checkpoint).run([[0.4, 0.4], [0.3, 0.3]])
    whole = (tmp_path / "metrics.csv").read_text()
    (tmp_path / "metrics.csv").write_text(whole + damage)
    training(tmp_path, start=1, after=at_checkpoint).run([[0.4, 0.4], [0.3, 0.3]])
    assert [row.rsplit(",", 1)[0] for row in (tmp_path / "metrics.csv").read_text().splitlines()] == [
        row.rsplit(",", 1)[0] for row in whole.splitlines()
    ]


@pytest.mark.parametrize("damage", [None, "", "epoch,sp", HEADER, HEADER + "1,val,loss,3,-7\n"])
def test_a_file_that_was_changed_before_its_checkpoint_is_refused(tmp_path: Path, damage: str | None) -> None:
    first = training(tmp_path)
    first.run([[0.5, 0.5]])
    path, after = tmp_path / "metrics.csv", state(first)
    path.unlink() if damage is None else path.write_text(damage)
    with pytest.raises(UserError, match=r"metrics\.csv=.*: it was changed since its checkpoint"):
        training(tmp_path, start=1, after=after).run([[0.4, 0.4]])
    assert not path.exists() if damage is None else path.read_text() == damage


def test_a_checkpoint_does_not_grow_with_the_epochs(tmp_path: Path) -> None:
    begun = training(tmp_path)
    begun.run([[0.5, 0.5]] * 3)
    found = state(begun)
    assert set(found) == {"elapsed_s", "written", "checksum"}
    assert found["written"] == (tmp_path / "metrics.csv").stat().st_size - len(HEADER)


def test_a_checkpoint_of_an_earlier_dnnx_holds_all_rows(tmp_path: Path) -> None:
    first = training(tmp_path)
    first.run([[0.5, 0.5]])
    rows = Record.of(first.trainer).rows
    (tmp_path / "metrics.csv").unlink()
    begun = FakeTraining(
        [EarlyStopping(2), Record()],
        SEEDS,
        tmp_path,
        1,
    )
    Record.of(begun.trainer).load_state_dict({"elapsed_s": [1.0], "rows": list(rows)})
    Record.of(begun.trainer).on_fit_start(begun.trainer, begun.module)
    assert (tmp_path / "metrics.csv").read_text() == HEADER + "".join(rows)


@pytest.mark.parametrize("rows", ["1,val,loss,3\n", "1,val,loss,3,0.5", "1,val,loss,a,0.5\n", "a,val,loss,3,0.5\n", 7])
def test_a_checkpoint_with_other_rows_is_refused(tmp_path: Path, rows: object) -> None:
    with pytest.raises(ValueError, match="rows"):
        Record().load_state_dict({"elapsed_s": [], "rows": [rows]})


def test_measurements_before_the_first_epoch_are_epoch_0_once_however_often_it_starts(tmp_path: Path) -> None:
    for _ in range(2):  # the first died before any checkpoint
        begun = training(tmp_path)
        begun.module.epoch_metrics = {"hidden_layers.0/activation_std": torch.tensor([0.5, 0.75])}
        begun.run(LOSSES[:2])
    table = read(tmp_path)
    assert not table.duplicated(["epoch", "split", "metric", "seed"]).any()
    assert table[table.epoch == 0].values.tolist() == [
        [0, "hidden_layers.0", "activation_std", 3, 0.5],
        [0, "hidden_layers.0", "activation_std", 7, 0.75],
    ]
    training(tmp_path, start=2, after=state(begun)).run(LOSSES[2:3])
    pd.testing.assert_frame_equal(read(tmp_path)[: len(table)], table)


def test_tensorboard_shows_mean_and_spread_of_the_seeds_that_count(tmp_path: Path) -> None:
    training(tmp_path).run(LOSSES[:3])
    events = EventAccumulator(str(tmp_path)).Reload()
    shown = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert shown["loss/val"] == [(1, 0.625), (2, 0.5625), (3, 0.5)]
    assert shown["spread/loss/low"] == [(1, 0.5), (2, 0.5), (3, 0.25)]
    assert shown["spread/loss/high"] == [(1, 0.75), (2, 0.625), (3, 0.75)]


def test_an_exception_before_training_started_is_not_hidden_by_another(tmp_path: Path) -> None:
    stopped = training(tmp_path)
    stopped.trainer.callbacks[1].teardown(stopped.trainer, stopped.module, "fit")


def test_hparams_are_one_entry_with_final_values(tmp_path: Path) -> None:
    log_hparams(tmp_path, {"net.dropout": 0.3}, {"test/accuracy": 0.5})
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1
    events = EventAccumulator(str(tmp_path)).Reload()
    assert events.Scalars("accuracy/test")[0].value == 0.5
    assert any("hparams" in name for name in events.summary_metadata)


def test_settings_that_differ_and_accuracy_come_first_in_hparams(tmp_path: Path) -> None:
    for arm, dropout in (("dropped", 0.3), ("plain", 0.0)):
        settings = {"arm": arm, "data.batch_size": 32, "net.dropout": dropout}
        log_hparams(tmp_path / arm, settings, {"epoch/best": 3.0, "test/accuracy": 0.5, "time/fit_s": 1.0})
    runs = EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload()
    board = Context(TBContext(data_provider=MultiplexerDataProvider(runs, str(tmp_path))))
    asked = RequestContext()
    found = board.hparams_metadata(asked, "")
    shown = board.experiment_from_metadata(asked, "", True, found, board.hparams_from_data_provider(asked, "", None))
    assert [setting.name for setting in shown.hparam_infos] == ["arm", "net.dropout", "data.batch_size"]
    assert [metric.name.tag for metric in shown.metric_infos] == ["accuracy/test", "run/epoch/best", "run/time/fit_s"]


def test_charts_of_accuracy_and_loss_come_first_and_those_of_layers_last(tmp_path: Path) -> None:
    begun = training(tmp_path)
    begun.module.epoch_metrics = {"hidden_layers.0/activation_std": torch.tensor([0.5, 0.75])}
    begun.run(LOSSES[:2])
    groups = [name.split("/")[0] for name in sorted(EventAccumulator(str(tmp_path)).Reload().Tags()["scalars"])]
    assert groups[0] in ("accuracy", "loss")
    assert groups[-1] == "units"
