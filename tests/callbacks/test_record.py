"""The record: metrics.csv is tidy and complete, and goes on after any interruption; TensorBoard shows the same."""

import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from fake_training import FakeTraining
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dnnx.callbacks import record
from dnnx.callbacks.early_stopping import EarlyStopping
from dnnx.callbacks.record import HEADER, Record, keep_epochs, log_hparams

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


def training(folder: Path, start: int = 0) -> FakeTraining:
    return FakeTraining([EarlyStopping(2), Record()], SEEDS, folder, start)


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
    second = training(tmp_path, start=2)
    second.trainer.callbacks[1].load_state_dict(first.trainer.callbacks[1].state_dict())
    second.run([[0.3, 0.3]])
    table = read(tmp_path)
    elapsed = table[(table.metric == "elapsed_s") & (table.seed == 3)]
    assert elapsed.value.tolist() == [1, 2, 3]
    assert second.trainer.callbacks[1].elapsed_s == [1, 2, 3]


def test_a_resumed_run_trains_later_epochs_again_and_records_them_once(tmp_path: Path) -> None:
    training(tmp_path).run([[0.5, 0.5], [0.4, 0.4], [0.3, 0.3]])
    whole = (tmp_path / "metrics.csv").read_text()
    training(tmp_path, start=1).run([[0.4, 0.4], [0.3, 0.3]])
    table = read(tmp_path)
    assert len(table) == len(whole.splitlines()) - 1
    assert not table.duplicated(["epoch", "split", "metric", "seed"]).any()


ROWS = [f"{epoch},val,loss,{seed},0.{epoch}12345\n" for epoch in range(1, 13) for seed in SEEDS]


@given(st.integers(0, len(HEADER + "".join(ROWS))), st.integers(0, 13))
def test_whole_rows_of_covered_epochs_are_kept_wherever_the_file_was_torn(
    tmp_path_factory: pytest.TempPathFactory, cut: int, last: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "torn.csv"
    path.write_text((HEADER + "".join(ROWS))[:cut])
    keep_epochs(path, last)
    whole = [row for i, row in enumerate(ROWS) if len(HEADER) + sum(map(len, ROWS[: i + 1])) <= cut]
    assert path.read_text() == HEADER + "".join(row for row in whole if int(row.split(",")[0]) <= last)


def test_what_was_measured_before_the_first_epoch_is_epoch_0_once_however_often_it_starts(tmp_path: Path) -> None:
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
    training(tmp_path, start=1).run(LOSSES[1:2])
    pd.testing.assert_frame_equal(read(tmp_path)[table.columns[:4]], table[table.columns[:4]])


def test_without_a_file_there_is_one_with_a_header(tmp_path: Path) -> None:
    keep_epochs(tmp_path / "metrics.csv", 5)
    assert (tmp_path / "metrics.csv").read_text() == HEADER


def test_tensorboard_shows_mean_and_spread_of_the_seeds_that_count(tmp_path: Path) -> None:
    training(tmp_path).run(LOSSES[:3])
    events = EventAccumulator(str(tmp_path)).Reload()
    shown = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert shown["val/loss"] == [(1, 0.625), (2, 0.5625), (3, 0.5)]
    assert shown["band/val/loss/low"] == [(1, 0.5), (2, 0.5), (3, 0.25)]
    assert shown["band/val/loss/high"] == [(1, 0.75), (2, 0.625), (3, 0.75)]


def test_an_exception_before_training_started_is_not_hidden_by_another(tmp_path: Path) -> None:
    stopped = training(tmp_path)
    stopped.trainer.callbacks[1].teardown(stopped.trainer, stopped.module, "fit")


def test_hparams_are_one_entry_with_final_values(tmp_path: Path) -> None:
    log_hparams(tmp_path, {"net.dropout": 0.3}, {"test/accuracy": 0.5})
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1
    events = EventAccumulator(str(tmp_path)).Reload()
    assert events.Scalars("test/accuracy")[0].value == 0.5
    assert any("hparams" in name for name in events.summary_metadata)
