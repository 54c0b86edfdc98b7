"""Higgs: sources that are kept apart, the first rows of a .csv, noise on the training inputs alone."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from dnnx.basics.errors import UserError
from dnnx.data.higgs import Higgs


def higgs(folder: Path, **settings: Any) -> Higgs:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, size=(300, 28)).astype(np.float32)
    source = np.arange(300) % 3
    x[:, 0] = source  # tells where a row comes from
    np.savez(folder / "x.npz", X=x, y=(np.arange(300) % 2).astype(np.uint8), source=source)
    given: dict[str, Any] = {
        "file": str(folder / "x.npz"),
        "num_val": 20,
        "batch_size": 10,
        "standardize": False,
    } | settings
    data = Higgs(seeds=[0, 1], **given)
    data.setup()
    data.trainer = SimpleNamespace(current_epoch=0)  # type: ignore[assignment]
    return data


def test_the_test_rows_are_of_other_sources(tmp_path: Path) -> None:
    data = higgs(tmp_path)
    assert data.sizes == {"train": 180, "val": 20, "test": 100}
    assert data.splits["test"][0][:, 0].unique().tolist() == [1]
    assert data.splits["train"][0][:, 0].unique().tolist() == [0, 2]
    assert higgs(tmp_path, train_sources=[2]).splits["train"][0][:, 0].unique().tolist() == [2]


def test_noise_is_on_training_inputs_alone_and_is_each_seed_s_own(tmp_path: Path) -> None:
    plain, noisy = higgs(tmp_path, train_sources=[2]), higgs(tmp_path, train_sources=[2], noise=0.5)
    (x, y), (moved, same) = (next(iter(data.train_dataloader().batches)) for data in (plain, noisy))
    assert torch.equal(y, same)
    noise = moved - x
    assert noise.std().item() == pytest.approx(0.5, rel=0.1)
    assert not torch.equal(noise[0], noise[1])
    assert torch.equal(next(iter(noisy.train_dataloader().batches))[0], moved), "the noise is the epoch's own"
    assert torch.equal(noisy.splits["val"][0], plain.splits["val"][0])


def csv(folder: Path) -> Path:
    """Write 200 rows, whose features are the number of the row."""
    rows = np.concatenate([np.arange(200)[:, None] % 2, np.arange(200)[:, None] + np.zeros((1, 28))], 1)
    np.savetxt(folder / "x.csv", rows, delimiter=",")
    return folder / "x.csv"


def test_the_note_tells_the_rows_for_validation(tmp_path: Path) -> None:
    for num in (21, 23, 25):
        data = higgs(tmp_path, num_val=num)
        assert f"{data.sizes['val']} for validation" in data.provenance["note"]


def test_the_first_rows_of_a_csv_are_read(tmp_path: Path) -> None:
    data = higgs(tmp_path, file=str(csv(tmp_path)), num_rows=100)
    assert sum(data.sizes.values()) == 100
    assert max(x.max().item() for x, _ in data.splits.values()) == 99


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data.num_val=0: a whole number from 2 to 199"):
        higgs(tmp_path, num_val=0)
    with pytest.raises(UserError, match=r"data.test_sources=\[1, 2\]: \[2\] are data.train_sources too"):
        higgs(tmp_path, test_sources=[1, 2])
    for num in (0, 2, 0.5):
        with pytest.raises(UserError, match=rf"data.num_rows={num}: a whole number of at least 3"):
            higgs(tmp_path, file=str(csv(tmp_path)), num_rows=num)
    with pytest.raises(UserError, match=r"data.noise=-1: a number of at least 0"):
        higgs(tmp_path, noise=-1)
    (tmp_path / "y.csv").write_text("1,2,3\n0,2,3\n")
    with pytest.raises(UserError, match=r"29 columns are needed, the label first; it has 3"):
        higgs(tmp_path, file=str(tmp_path / "y.csv"))
    np.savez(tmp_path / "z.npz", x=np.zeros(3))
    with pytest.raises(UserError, match=r"z.npz: it cannot be read"):
        higgs(tmp_path, file=str(tmp_path / "z.npz"))
