"""Whole numbers are float32 to a net that computes with them, and stay tokens to a net of embeddings."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from commands import compose, typed
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import dnnx
from dnnx.data.arrays import ArrayData
from dnnx.data.lightning import wrap
from dnnx.train import train
from dnnx.training.whole_numbers import settle_inputs

X, Y = np.random.default_rng(0).integers(0, 9, (60, 4)), np.arange(60) % 2


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.output = nn.Embedding(9, 3), nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.embedding(x).flatten(-2))


def dense() -> nn.Module:
    return nn.Linear(4, 2)


def in_memory(x: Any, **settings: Any) -> Any:
    return ArrayData(seeds=[0, 1], x=x, y=Y, **settings)


def streamed(x: Any) -> Any:
    return wrap(TensorDataset(torch.as_tensor(x), torch.as_tensor(Y)), None, [0, 1], stream=True)


def first(data: Any) -> Tensor:
    data.trainer = SimpleNamespace(current_epoch=0)
    train_x, *_ = next(iter(data.train_dataloader().batches))
    x, _ = next(iter(data.eval_dataloader("val")))
    assert train_x.dtype == x.dtype
    return x


@pytest.mark.parametrize("make", [in_memory, streamed])
def test_the_net_decides_and_the_next_one_again(make: Any) -> None:
    data = make(X)
    data.setup()
    tokens = first(data)
    for build, kind in ((dense, torch.float32), (Words, torch.int64), (dense, torch.float32)):
        settle_inputs(data, build, seed=0)
        assert first(data).dtype == kind
        assert torch.equal(first(data).long(), tokens)


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64])
def test_whole_numbers_of_any_width_are_numbers_and_pixels_are_shares(kind: Any) -> None:
    data, pixels = in_memory(X.astype(kind)), in_memory(X.astype(np.uint8))
    for one in (data, pixels):
        one.setup()
        settle_inputs(one, dense, seed=0)
        assert first(one).dtype == torch.float32
    torch.testing.assert_close(first(data), first(pixels) * 255)


def test_standardized_whole_numbers_are_numbers_and_the_caller_keeps_them() -> None:
    given = X.copy()
    data = in_memory(given, standardize=True)
    data.setup()
    assert data.splits["train"][0].mean(0).abs().max() < 1e-5
    assert np.array_equal(given, X)


def test_a_dense_net_is_trained_on_whole_numbers_and_tested_again_and_asked(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X.astype(np.int32), y=Y)
    words = ["data=npz", f"data.file={tmp_path / 'x.npz'}", "seeds=2", "net.hidden=[4]", "trainer.max_epochs=1"]
    train(compose(*words, "trainer.accelerator=cpu", "~callbacks.progress"), tmp_path / "run")
    assert typed("evaluate", f"run={tmp_path / 'run'}", "accelerator=cpu", cwd=tmp_path)[0] == 0
    run = dnnx.load(tmp_path / "run")
    torch.testing.assert_close(run.predict(X), run.predict(X.astype(np.float32)))
    assert typed("commands.cost", *words, cwd=tmp_path)[0] == 0
