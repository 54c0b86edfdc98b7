"""Faults that no error shows: a look at the test set, results that depend on how they are computed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import SMOKE, compose, measured
from safetensors.torch import load_file

from dnnx.data import arrays, images, mnist_pairs
from dnnx.data.sources import Source
from dnnx.train import train

PAIRS = ["+exp=pairs", "data.source=digits", "net.hidden=[12,10]", "seeds=2", "trainer.max_epochs=3"]
RUNS = {
    "classes": [*SMOKE, "net.hidden=[12,10]", "net.norm=batch", "net.dropout=0.1"],
    "own images": [*SMOKE, "data=mnist59", "data.source=digits", "net.hidden=[12,10]", "scheduler=performance"],
    "pairs": PAIRS,
}
each_run = pytest.mark.parametrize("run", RUNS)


def close(one: dict[str, list], other: dict[str, list], rel: float) -> None:
    one, other = measured(one), measured(other)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(np.array(other[name], float), np.array(one[name], float), rtol=rel, err_msg=name)


@each_run
def test_only_test_results_depend_on_the_test_set(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = images.load

    def other_tests(*arguments: Any) -> Source:
        source = plain(*arguments)
        upside_down = 255 - source.test_images[:, :, ::-1]
        return replace(source, test_images=upside_down.copy(), test_labels=source.test_labels[::-1].copy())

    before = train(compose(*RUNS[run]), tmp_path / "before")
    monkeypatch.setattr(images, "load", other_tests)
    after = train(compose(*RUNS[run]), tmp_path / "after")
    of_test = {name for name in before if name.startswith(("test/", "ensemble/"))} - {"test/threshold"}
    assert before["test/loss"] != after["test/loss"]
    assert {name: before[name] for name in measured(before).keys() - of_test} == {
        name: after[name] for name in measured(after).keys() - of_test
    }
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("before", "after"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@each_run
def test_no_result_depends_on_the_batches_of_an_evaluation(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = train(compose(*RUNS[run]), tmp_path / "usual")
    for module in (arrays, mnist_pairs):
        monkeypatch.setattr(module, "EVAL_BATCH", 13)  # the last batch of a split is smaller
    close(usual, train(compose(*RUNS[run]), tmp_path / "small"), rel=1e-4)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@each_run
def test_no_result_depends_on_the_number_of_threads(run: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    one = train(compose(*RUNS[run], "trainer.max_epochs=1"), tmp_path / "one")
    request.getfixturevalue("two_threads")
    close(one, train(compose(*RUNS[run], "trainer.max_epochs=1"), tmp_path / "two"), rel=5e-3)


@each_run
def test_no_result_of_a_seed_depends_on_the_number_of_seeds(run: str, tmp_path: Path) -> None:
    among = train(compose(*RUNS[run], "seeds=[4,2,9]"), tmp_path / "among")
    alone = train(compose(*RUNS[run], "seeds=[2]"), tmp_path / "alone")
    names = [name for name in measured(among) if not name.startswith(("ensemble/", "seeds"))]
    close({name: among[name][1:2] for name in names}, {name: alone[name] for name in names}, rel=5e-3)
