"""Windows of a series: cut in time, without a shared row, scaled by the training rows, and gathered when needed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from real_data import REAL

from dnnx.basics.errors import UserError
from dnnx.config.paths import CONF
from dnnx.data.arrays import ArrayData
from dnnx.data.gathered import Gathered
from dnnx.data.windows import Windows

NUM = 400
STEADY = [f"{i},1,2" for i in range(5, 99)]
YEAR = REAL / "jena" / "jena_roof_2020_10min.csv.gz"


def write(path: Path, lines: list[str] | None = None, num: int = NUM) -> str:
    """Write a series whose first column is the number of its row, and return its path."""
    rows = [f"{i},{i},{(i * i) % 17}" for i in range(num)] if lines is None else lines
    path.write_text("\n".join(["time,row,b", *rows]) + "\n")
    return str(path)


def windows(folder: Path, lines: list[str] | None = None, num: int = NUM, **settings: Any) -> Windows:
    file = write(folder / "x.csv", lines, num)
    given: dict[str, Any] = {
        "file": file,
        "target": "row",
        "length": 5,
        "sampling": 2,
        "delay": 3,
        "standardize": False,
    } | settings
    data = Windows(seeds=[0, 1], **given)
    data.setup()
    return data


def rows_of(data: Windows, part: str) -> set[int]:
    """Return the rows of the file that the windows of a part hold, targets included."""
    x, y = data.splits[part]
    return {*x[torch.arange(len(x))][..., 0].long().flatten().tolist(), *y.long().tolist()}


def test_a_window_is_every_second_row_and_its_target_comes_three_samples_later(tmp_path: Path) -> None:
    x, y = windows(tmp_path).splits["train"]
    assert x[torch.tensor(7)][:, 0].tolist() == [7, 9, 11, 13, 15]
    assert y[7] == 15 + 3 * 2
    assert data_shape(x) == (186, 5, 2)


def data_shape(x: Any) -> tuple[int, ...]:
    return tuple(x.shape)


@pytest.mark.parametrize("blocks", [1, 4])
@pytest.mark.parametrize("stride", [1, 3])
def test_no_row_is_in_windows_of_two_parts(tmp_path: Path, blocks: int, stride: int) -> None:
    data = windows(tmp_path, blocks=blocks, stride=stride)
    train, val, test = (rows_of(data, part) for part in ("train", "val", "test"))
    assert not train & val
    assert not val & test
    assert not train & test
    assert max(train | val) < min(test)
    if blocks == 1:
        assert max(train) < min(val)


def test_columns_are_scaled_by_training_rows_and_targets_are_not(tmp_path: Path) -> None:
    data = windows(tmp_path, standardize=True)
    training = np.arange(NUM // 2)
    assert data.scaling is not None
    assert data.scaling[0][0].item() == pytest.approx(training.mean())
    assert data.scaling[1][0].item() == pytest.approx(training.std())
    x, y = data.splits["test"]
    back = x[torch.arange(3)][..., 0] * data.scaling[1][0] + data.scaling[0][0]
    assert back[0, 0].item() == pytest.approx(300, rel=1e-5)
    assert y[0] == 300 + data.reach


def test_a_column_that_is_constant_in_the_training_rows_is_only_shifted(tmp_path: Path) -> None:
    data = windows(tmp_path, [f"{i},{i},{0.1 if i < 300 else 0.5}" for i in range(NUM)], standardize=True)
    assert data.scaling is not None
    assert (data.scaling[0][1].item(), data.scaling[1][1].item()) == (pytest.approx(0.1), 1)
    x, _ = data.splits["test"]
    torch.testing.assert_close(x[torch.arange(len(x))][..., 1], torch.full((len(x), 5), 0.4))


def test_no_window_is_stored(tmp_path: Path) -> None:
    data = windows(tmp_path)
    arrays = {x.values.data_ptr() for x, _ in data.splits.values()}  # type: ignore[attr-defined]
    assert len(arrays) == 1
    assert all(isinstance(x, Gathered) and x.values.numel() == NUM * 2 for x, _ in data.splits.values())


def test_a_change_is_the_target_less_the_last_value_of_the_window(tmp_path: Path) -> None:
    assert set(windows(tmp_path, predict="change").splits["val"][1].tolist()) == {6.0}


def test_orders_hold_the_same_rows(tmp_path: Path) -> None:
    by_order = {order: windows(tmp_path, order=order).splits["val"][0] for order in ("forward", "reversed", "shuffled")}
    few = {order: x[torch.arange(4)][..., 0] for order, x in by_order.items()}
    assert torch.equal(few["reversed"], few["forward"].flip(1))
    assert torch.equal(few["shuffled"].sort(1).values, few["forward"])
    assert not torch.equal(few["shuffled"], few["forward"])


def test_the_naive_error_is_the_one_computed_by_hand(tmp_path: Path) -> None:
    """Of rows 0 to 9 = 0, 1, 4, ..., 81 with windows of 2 and a delay of 1: the changes are 2 i + 1."""
    lines = [f"{i},{i * i}" for i in range(10)]
    (tmp_path / "squares.csv").write_text("\n".join(["time,row", *lines]) + "\n")
    more: dict[str, Any] = {"length": 2, "sampling": 1, "delay": 1, "split": [0.4, 0.3, 0.3], "predict": "change"}
    data = Windows(seeds=[0], file=str(tmp_path / "squares.csv"), target="row", **more)
    data.setup()
    assert data.splits["test"][1].abs().mean() == (81 - 64) / 1  # rows 7, 8, 9: one window, 49 64 | 81
    assert data.splits["train"][1].tolist() == [3, 5]  # rows 0 to 3: 0 1 | 4 and 1 4 | 9


def test_missing_values_drop_the_windows_that_hold_them(tmp_path: Path) -> None:
    lines = [f"{i},{i},{-9999 if i == 50 else 1 + i % 3}" for i in range(NUM)]
    x, _ = windows(tmp_path, lines).splits["train"]
    assert 50 not in x[torch.arange(len(x))][..., 0]
    x, _ = windows(tmp_path, lines, missing="fill").splits["train"]
    assert x[torch.tensor(50)][0].tolist() == [50, 1 + 49 % 3]


def test_a_window_without_target_is_used_by_no_rule(tmp_path: Path) -> None:
    lines = [f"{i},{-9999 if i == 50 else i},1" for i in range(NUM)]
    for rule in ("drop", "fill"):
        _, y = windows(tmp_path, lines, missing=rule, delay=30).splits["train"]
        assert 50 not in y.tolist()
        assert 49 in windows(tmp_path, lines, missing=rule).splits["train"][1].tolist()


def test_no_window_lies_across_a_gap(tmp_path: Path) -> None:
    lines = [f"{i + 10 * (i >= 60)},{i},0" for i in range(NUM)]
    x, y = windows(tmp_path, lines, gaps="split").splits["train"]
    first = x[torch.arange(len(x))][:, 0, 0]
    assert not ((first < 60) & (y >= 60)).any()
    assert "1 gaps" in windows(tmp_path, lines, gaps="split").provenance["note"]


def test_a_later_file_is_a_second_test_set_scaled_by_the_training_rows(tmp_path: Path) -> None:
    later = write(tmp_path / "later.csv", [f"{i},{1000 + i},5" for i in range(30)])
    data = windows(tmp_path, later_file=later, standardize=True)
    x, y = data.splits["later"]
    assert data.more_tests == ["later"]
    assert y[0] == 1000 + data.reach
    assert data.scaling is not None
    assert (x[torch.tensor(0)][0, 0] * data.scaling[1][0] + data.scaling[0][0]).item() == pytest.approx(1000, rel=1e-5)
    tested = windows(tmp_path, test_file=later)
    assert tested.sizes["test"] == 30 - tested.reach
    assert max(rows_of(tested, "val")) == NUM - 1


def test_batches_are_windows_of_their_part_and_each_seed_has_its_own_order(tmp_path: Path) -> None:
    data = windows(tmp_path, batch_size=16)
    data.trainer = type("Trainer", (), {"current_epoch": 0})()
    x, y = next(iter(data.train_dataloader().batches))
    assert (x.shape, y.shape) == ((2, 16, 5, 2), (2, 16))
    assert torch.equal(x[:, :, -1, 0] + 6, y)
    assert not torch.equal(y[0], y[1])
    assert sum(len(own) for _, own in data.eval_dataloader("test")) == data.sizes["test"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"num": 10}, "x.csv has 10 rows; a window and its target need 15"),
        ({"delay": 0}, "data.delay=0: a whole number of samples of at least 1"),
        ({"split": [0.98, 0.01, 0.01]}, "no window of val is left in its 4 rows"),
        ({"split": [0.6, 0.38, 0.02]}, "no window of test is left in its 8 rows"),
        ({"target": "rwo"}, "data.target=rwo: x.csv has no such column; did you mean row?"),
        ({"target": "time"}, "data.target=time: it is the column of times"),
        ({"columns": ["row", "time"]}, "data.columns=time: it is the column of times"),
        ({"missing": "mean"}, "data.missing=mean: choose one of drop, fill"),
        ({"length": 0}, "data.length=0: a whole number of at least 1"),
        ({"lines": ["0,1,2", "1,2,3", "1,3,4", *STEADY]}, "line 4: the same time as the line before"),
        ({"lines": ["0,1,2", "1,2,3", *STEADY]}, "line 4: a step of 4, and not of 1 as usual"),
        ({"lines": ["0,1,2", "2,2,3", "1,3,4", *STEADY]}, "line 4: the time 1 goes back"),
        ({"lines": ["2020-01-01,1,2", "soon,2,3"]}, "line 3: soon is no time"),
        ({"lines": ["0,1,2", "1,2,warm"], "columns": ["b"]}, "x.csv, b: a column of text is no measurement"),
        ({"lines": ["0,1,2", "1,2,inf", *STEADY]}, "x.csv: line 3, column b: inf is no finite number"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(tmp_path: Path, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as error:
        windows(tmp_path, **settings)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_of_other_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.class_weights=balanced: without effect on windows"):
        windows(tmp_path, class_weights="balanced")


def test_both_files_of_jena_have_the_columns_of_the_config() -> None:
    import yaml

    if not YEAR.exists():
        pytest.skip(f"{YEAR} is absent")
    config = yaml.safe_load((CONF / "data" / "jena.yaml").read_text())
    later = REAL / "jena" / "mpi_roof_2024_jun_oct_10min.csv.gz"
    known = {name: config[name] for name in ("target", "columns", "length", "sampling", "delay", "gaps")}
    data = Windows(seeds=[0], file=str(YEAR), later_file=str(later), **known)
    data.setup()
    assert isinstance(data, ArrayData)
    assert data.in_shape == (120, 14)
    assert "1 gaps, 1 repeated times, 1 missing values" in data.provenance["note"]
    x, y = data.splits["test"]
    last = x[torch.arange(len(x))][:, -1, 1] * data.scaling[1][1] + data.scaling[0][1]  # type: ignore[index]
    assert (last - y).abs().mean().item() == pytest.approx(2.10, abs=0.01)


def test_times_within_a_second_are_steps_of_their_own(tmp_path: Path) -> None:
    tenths = [f"2020-01-01 00:00:{i / 10:04.1f},{i},1" for i in range(400)]
    assert windows(tmp_path, tenths).provenance["note"].count("gaps") == 0
    del tenths[100]
    with pytest.raises(UserError, match=r"line 102: a step of 0\.2, and not of 0\.1 as usual"):
        windows(tmp_path, tenths)


def test_times_of_two_time_zones_are_compared_as_one(tmp_path: Path) -> None:
    first = [f"2020-10-25 0{i // 60}:{i % 60:02}:00+02:00,{i},1" for i in range(180)]
    later = [f"2020-10-25 0{2 + i // 60}:{i % 60:02}:00+01:00,{180 + i},1" for i in range(180)]
    data = windows(tmp_path, first + later)
    assert "gaps" not in data.provenance["note"]
